"""Image classification: one column of encoded images, one column of classes."""

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
from core.tasks.pixels import Standard, Survey, decode, in_threads, unreadable
from core.tasks.preprocessing import ImageReading, Reading
from core.tasks.rows import media_row, place, values, with_place
from core.tasks.targets import can_classify, chosen_target, separator

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Arrays, Batch, Rows

MOST_SIDE = 224
_SAMPLED = 2000


class ImageClassification(Classification):
    """Which class an image belongs to.

    Pixels are kept as uint8 and normalised on the device with the training split's mean and
    standard deviation of each channel (in units of the full range, 0 to 1).
    """

    name: ClassVar[str] = "image-classification"
    summary: ClassVar[str] = "which class an image belongs to"
    needs: ClassVar[str] = "a column of images and a column of classes"
    reads: ClassVar[str] = "image"
    architectures: ClassVar[tuple[str, ...]] = ("cnn", "resnet18", "airbench", "vit", "resnet")
    takes_pretrained: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("image_size", 0, "pixels of a side", 8, 4096, auto=True),
    )

    def __init__(
        self,
        column: str,
        target: str,
        labels: Sequence[str],
        *,
        size: tuple[int, int],
        mean: Sequence[float],
        std: Sequence[float],
        notes: Sequence[str] = (),
        counts: Sequence[int] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.labels = tuple(labels)
        self.counts = tuple(counts)
        self.size = size
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.notes = tuple(notes)
        self._standard = Standard(mean, std)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        images = [column for column in named or facts.columns if column.is_image]
        answer = chosen_target(facts, target, inputs)
        if not images or len(named) > 1 or answer is None:
            return None
        if not can_classify(answer, facts, named=target is not None):
            return None
        return Fit(
            cls.name,
            (images[0].name,),
            answer.name,
            0.9,
            f"{images[0].name} holds images, {answer.name} {answer.distinct} classes",
            separator=separator(answer),
        )

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        chosen = resolved(cls.options, options or {}, cls.name)["image_size"]
        labels, notes = cls.learn_labels(view, fit, split)
        (column,) = fit.inputs
        survey = Survey(sampled_every=max(1, view.count(split) // _SAMPLED))
        for batch in view.batches(with_place([column, fit.target], view), split=split, rows=512):
            classes = [label_text(value) for value in values(batch, fit.target)]
            there = [at for at, label in enumerate(classes) if label is not None]
            contents = values(batch, column)
            for at, error in survey.add([contents[at] for at in there]):
                raise unreadable(error, column, place(batch, there[at]))
        size = (chosen, chosen) if chosen else survey.size(MOST_SIDE)
        mean, std = survey.moments()
        if isinstance(reading, ImageReading):
            size = reading.side(chosen) or size
            mean, std = list(reading.mean), list(reading.std)
        if len(survey.sizes) > 1:
            notes.append(f"images differ in size and are stretched to {size[1]} x {size[0]}")
        return cls(
            column,
            fit.target,
            tuple(labels),
            size=size,
            mean=mean,
            std=std,
            notes=(*fit.notes, *notes),
            counts=tuple(labels.values()),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "height": self.size[0],
            "width": self.size[1],
            "mean": list(self.mean),
            "std": list(self.std),
            "notes": list(self.notes),
        }

    @classmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            codec["labels"],
            size=(int(codec["height"]), int(codec["width"])),
            mean=codec["mean"],
            std=codec["std"],
            notes=codec["notes"],
            counts=codec.get("counts", ()),
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": self.reads,
            "channels": len(self.mean),
            "height": self.size[0],
            "width": self.size[1],
            "outputs": len(self.labels),
        }

    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        (column,) = self.columns
        every = values(rows, column)
        at = np.arange(len(every)) if kept is None else kept
        contents = [every[row] for row in at]
        images = np.empty((len(at), len(self.mean), *self.size), np.uint8)

        def one(number: int) -> Array:
            try:
                return decode(contents[number], len(self.mean), self.size)
            except ValueError as error:
                raise unreadable(error, column, place(rows, int(at[number]))) from error

        for number, pixels in enumerate(in_threads(one, contents)):
            images[number] = pixels
        return {"image": images}

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return (self._standard(batch["image"]),)

    def row(self, given: object) -> dict[str, Any]:
        """A row from the bytes of an image or the path of a file, alone or in its column.

        Paths are read: give it only what the person at this machine named.
        """
        return media_row(given, self.columns[0], "image")
