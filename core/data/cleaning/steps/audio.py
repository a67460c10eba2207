"""The step that gives sound another rate, and what it takes: reading WAV, a filter, writing WAV."""

from __future__ import annotations

import io
import math
import wave
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.view import quoted
from core.errors import LeptonError, UsageError
from core.settings import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 16
HALF_LENGTH = 10
FINEST = 10_000
"""The greatest divisor in the ratio of two rates; what that leaves out is 2 ms a minute."""
MOST_RATE = 768_000
MOST_VALUES = 1 << 26
"""Of all channels, where the length is bounded: ten minutes of stereo."""
OUT_AT_ONCE = 65_536


@dataclass(frozen=True)
class ResampleAudio(Step):
    do: ClassVar[str] = "resample-audio"
    help: ClassVar[str] = "Give sound another rate, as WAV of 16 bits."

    rate: int = setting("Samples a second, such as 16000")
    columns: tuple[str, ...] = setting("Columns of sound; all of them if none is named", ())
    mono: bool = setting("Mix all channels into one", default=False)

    def check(self) -> None:
        if not 1000 <= self.rate <= 768_000:
            raise UsageError('"rate" is 1,000 to 768,000 samples a second')

    def run(self, sheet: Sheet, learned: Learned) -> None:
        unreadable = 0

        def every(cells: list[bytes]) -> list[bytes]:
            nonlocal unreadable
            made: list[bytes] = []
            for cell in cells:
                try:
                    made.append(self._resampled(cell))
                except (ValueError, EOFError, wave.Error):
                    unreadable += 1
                    made.append(cell)
            return made

        changed = 0
        for column in sheet.media(self.columns, "audio"):
            where = f"{quoted(column.name)} IS NOT NULL"
            changed += sheet.rewrite(column, where, every, at_once=AT_ONCE)
        sheet.did |= {"cells changed": changed, "unreadable": unreadable}

    def _resampled(self, content: bytes) -> bytes:
        samples, rate = decode(content)
        if rate == self.rate and (samples.shape[1] == 1 or not self.mono):
            return content
        if self.mono:
            samples = samples.mean(axis=1, keepdims=True)
        return encode(resample(samples, rate, self.rate), self.rate)


class TooLongError(ValueError):
    """A sound that is longer than may be: `seconds`, as far as its head tells."""

    def __init__(self, seconds: float, most: float) -> None:
        super().__init__(f"it is {seconds:.1f} s long, and {most:g} s are the most")
        self.seconds = seconds


def decode(content: bytes, most: float = math.inf) -> tuple[NDArray[np.float64], int]:
    """Sound as (samples, channels) from -1 to 1, and its rate.

    WAV needs nothing; other formats are read by the package soundfile. No more than `most` seconds
    are decoded: a file of a few bytes can hold hours.

    Raises:
        TooLongError: it is longer than that.
        ValueError: it is damaged, or no sound.
        LeptonError: it needs soundfile, which is not there.
    """
    import numpy as np

    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        try:
            with wave.open(io.BytesIO(content)) as file:
                width, channels, rate = (
                    file.getsampwidth(),
                    file.getnchannels(),
                    file.getframerate(),
                )
                _check_rate(rate)
                data = file.readframes(file.getnframes())
            if (long := len(data) / (width * channels * rate)) > most:
                raise TooLongError(long, most)
            data = data[: len(data) // (width * channels) * width * channels]
            return _samples(data, width).reshape(-1, channels), rate
        except wave.Error as error:
            if "unknown format" not in str(error):
                raise ValueError(str(error)) from error
        except EOFError as error:
            raise ValueError("it is cut short") from error
    try:
        import soundfile  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise LeptonError(
            "this sound is no plain WAV, and what reads other formats is not installed",
            hint="Install it: pip install soundfile",
        ) from error
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = int(file.samplerate)
            _check_rate(rate)
            # Whoever does not know the length says the most that there can be, or nothing.
            frames = -1
            if most < math.inf:
                frames = min(int(most * rate) + 1, MOST_VALUES // file.channels)
            samples = file.read(frames, dtype="float64", always_2d=True)
            if len(samples) == frames:
                raise TooLongError(max(frames, file.frames) / rate, min(most, frames / rate))
    except RuntimeError as error:
        # The library's own words name an object in memory too.
        raise ValueError(getattr(error, "error_string", str(error))) from error
    return np.asarray(samples), rate


def _check_rate(rate: int) -> None:
    if not 1 <= rate <= MOST_RATE:
        raise ValueError(f"it says that it has {rate:,} samples a second")


def _samples(data: bytes, width: int) -> NDArray[np.float64]:
    import numpy as np

    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
    if width == 3:
        bytes_ = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(bytes_), 4), np.uint8)
        wide[:, 1:] = bytes_
        return wide.view("<i4")[:, 0] / 2.0**31
    return np.frombuffer(data, f"<i{width}") / 2.0 ** (8 * width - 1)


def encode(samples: NDArray[np.float64], rate: int) -> bytes:
    """(samples, channels) as WAV of 16 bits."""
    import numpy as np

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        whole = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2")
        file.writeframes(whole.tobytes())
    return out.getvalue()


def resample(samples: NDArray[np.float64], rate: int, to: int) -> NDArray[np.float64]:
    """(samples, channels) at another rate, through a windowed sinc in polyphase form.

    A filter of Kaiser's window (beta 5) takes out what the lower rate cannot hold, so nothing is
    folded back. The result has ceil(samples * to / rate) samples. Two rates with no plain ratio are
    taken for the nearest that is one: the filter between them would be longer than any sound.
    """
    import numpy as np

    ratio = Fraction(to, rate)
    ratio = ratio.limit_denominator(FINEST) or ratio
    up, down = ratio.numerator, ratio.denominator
    if up == down:
        return samples
    most = max(up, down)
    half = HALF_LENGTH * most
    place = np.arange(-half, half + 1)
    kernel = np.sinc(place / most) * np.kaiser(2 * half + 1, 5.0)
    kernel *= up / kernel.sum()
    taps = -(-len(kernel) // up)
    # One row of taps for each of the `up` places that a new sample can have between two old ones.
    phases = np.zeros((up, taps))
    for which in range(up):
        row = kernel[which::up]
        phases[which, : len(row)] = row
    count = -(-len(samples) * up // down)
    padded = np.concatenate(
        [np.zeros((taps, samples.shape[1])), samples, np.zeros((taps, samples.shape[1]))]
    )
    made = np.empty((count, samples.shape[1]))
    for start in range(0, count, OUT_AT_ONCE):
        at = np.arange(start, min(start + OUT_AT_ONCE, count)) * down + half
        latest, phase = at // up, at % up
        window = np.clip(latest[:, None] - np.arange(taps) + taps, 0, len(padded) - 1)
        for channel in range(samples.shape[1]):
            near = padded[:, channel][window]
            made[start : start + len(at), channel] = (near * phases[phase]).sum(axis=1)
    return made
