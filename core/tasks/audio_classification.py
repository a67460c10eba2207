"""Audio classification: one column of sounds, one column of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.lake.view import View
from core.data.several_labels import label_text
from core.options import Option, resolved
from core.tasks.base import Fit
from core.tasks.classification import Array, Classification
from core.tasks.facts import TableFacts
from core.tasks.ragged import Ragged
from core.tasks.rows import media_row, values, with_place
from core.tasks.sounds import RATE, as_heard, decoded, heard
from core.tasks.speech_recognition import transcript_column
from core.tasks.targets import can_classify, chosen_target, is_classes, separator

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Arrays, Batch, Rows

USUAL_SECONDS = 30
"""Of a sound that are heard, unless more are asked for."""


class AudioClassification(Classification):
    """Which class a sound belongs to.

    Sounds are kept as samples, int16, in one channel at one rate, and models read samples, so that
    augmentations change the sound itself. Of a long one the beginning is heard.
    """

    name: ClassVar[str] = "audio-classification"
    summary: ClassVar[str] = "which class a sound belongs to"
    needs: ClassVar[str] = "a column of sounds and a column of classes"
    reads: ClassVar[str] = "audio"
    architectures: ClassVar[tuple[str, ...]] = ("sound-cnn",)
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "seconds", USUAL_SECONDS, "how much of a sound is heard, from its beginning", 1, 600
        ),
        Option("rate", RATE, "samples a second that sounds are brought to", 8000, 48_000),
    )

    def __init__(
        self,
        column: str,
        target: str,
        labels: Sequence[str],
        *,
        rate: int = RATE,
        seconds: int = USUAL_SECONDS,
        notes: Sequence[str] = (),
        counts: Sequence[int] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.labels = tuple(labels)
        self.counts = tuple(counts)
        self.rate = rate
        self.seconds = seconds
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        sounds = [column for column in named or facts.columns if column.media == "audio"]
        answer = chosen_target(facts, target, inputs)
        if not sounds or len(named) > 1 or answer is None:
            return None
        if not can_classify(answer, facts, named=target is not None):
            return None
        transcript = transcript_column(facts)
        # What is said beside a sound is meant to be written down, unless classes are asked for.
        said = answer == transcript or (target is None and transcript is not None)
        return Fit(
            cls.name,
            (sounds[0].name,),
            answer.name,
            0.9 if is_classes(answer, facts) and not said else 0.4,
            f"{sounds[0].name} holds sounds, {answer.name} {answer.distinct} classes",
            separator=separator(answer),
        )

    @classmethod
    def advice(cls, facts: TableFacts, target: str | None = None) -> str:
        if any(column.media == "audio" for column in facts.columns):
            return ""
        return "Bring in a folder of sounds with a folder in it for each class, or --labels TABLE."

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        chosen = resolved(cls.options, options or {}, cls.name)
        labels, notes = cls.learn_labels(view, fit, split)
        seconds = chosen["seconds"]
        (column,) = fit.inputs
        longer = 0
        for batch in view.batches(with_place([column, fit.target], view), split=split, rows=64):
            for at, label in enumerate(values(batch, fit.target)):
                if label_text(label) is not None:
                    samples, rate = decoded(batch, at, column)
                    longer += len(samples) > seconds * rate
        if longer:
            several = f"{longer:,} sounds are" if longer > 1 else "1 sound is"
            notes.append(
                f"{several} longer than {seconds} s, of which the model hears the beginning"
                " (option seconds)"
            )
        return cls(
            column,
            fit.target,
            tuple(labels),
            rate=chosen["rate"],
            seconds=seconds,
            notes=(*fit.notes, *notes),
            counts=tuple(labels.values()),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "rate": self.rate,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    @classmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            codec["labels"],
            rate=int(codec["rate"]),
            seconds=int(codec["seconds"]),
            notes=codec["notes"],
            counts=codec["counts"],
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {"kind": "sound", "rate": self.rate, "outputs": len(self.labels)}

    @property
    def at_once(self) -> int:
        """Of long sounds fewer: all of a batch are as long as the longest."""
        return 32

    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        """ "audio", `Ragged` int16."""
        places = range(len(values(rows, self.columns[0]))) if kept is None else kept.tolist()
        sounds = [self._samples(rows, at) for at in places]
        if not sounds:
            return {"audio": Ragged(np.zeros(0, np.int16), np.zeros(0, np.int64))}
        return {"audio": Ragged.of(sounds)}

    def _samples(self, rows: Rows, at: int) -> Array:
        samples, rate = decoded(rows, at, self.columns[0])
        return as_heard(samples[: self.seconds * rate], rate, self.rate)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return heard(batch)

    def row(self, given: object) -> dict[str, Any]:
        """A row from the bytes of a sound or the path of a file, alone or in its column.

        Paths are read: give it only what the person at this machine named.
        """
        return media_row(given, self.columns[0], "sound")
