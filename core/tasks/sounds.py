"""Sounds as models hear them: a cell becomes samples, int16, of one channel at one rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.data.cleaning.steps import audio
from core.errors import LeptonError
from core.tasks.rows import place, values

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Array, Batch, Rows
    from core.tasks.transcribing import Sounds

RATE = 16_000
"""Samples a second that all sounds are brought to, unless something else is asked for."""
LEAST = 400
"""Samples that a model reads at once; a shorter sound is filled up with silence."""
MOST_SECONDS = 600
"""Of a sound that is decoded at all."""
_LOUD = 32_767
_WINDOWS = 40
"""Of a spectrogram, as many as follow one another in a second."""


def decoded(rows: Rows, at: int, column: str, most: int = MOST_SECONDS) -> tuple[Array, int]:
    """The sound of a row as its file has it, float64 [samples, channels], and its rate.

    Raises:
        LeptonError: there is none, it cannot be read, or it is longer than `most` seconds.
    """
    content = values(rows, column)[at]
    where = f"column {column}, {place(rows, at)}"
    try:
        if not isinstance(content, bytes):
            raise ValueError("there is none" if content is None else "it is not bytes")  # noqa: TRY004
        samples, rate = audio.decode(content, most)
        if not len(samples):
            raise ValueError("it has no samples")
    except audio.TooLongError as error:
        raise LeptonError(
            f"the sound is {error.seconds:.1f} s long, and the model hears {most} s at once",
            where=where,
            hint="Cut it, and what is said in it, into parts.",
        ) from error
    except (ValueError, EOFError) as error:
        raise LeptonError(
            f"the sound cannot be read: {error}",
            where=where,
            hint="Remove the row or replace the file; `lepton data check` finds all of them.",
        ) from error
    return samples, rate


def as_heard(samples: Array, own: int, rate: int) -> Array:
    """A decoded sound in one channel at another rate, int16 [samples], as long at least as a model
    reads at once: `LEAST`, and a window of a spectrogram."""
    one = audio.resample(samples.mean(1, keepdims=True), own, rate)[:, 0]
    whole = (one.clip(-1, 1) * _LOUD).round().astype(np.int16)
    return np.pad(whole, (0, max(0, LEAST - len(whole), -(-rate // _WINDOWS) - len(whole))))


def heard(batch: Batch) -> Sounds:
    """The sounds of a batch, float from -1 to 1, and their lengths."""
    sound, length = batch["audio"], batch["audio_length"].long()
    louder: Tensor = sound.float() / (1 if sound.is_floating_point() else _LOUD)
    return louder, length
