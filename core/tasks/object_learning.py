"""What detection learns from the training pictures: their canvas, their classes, the usual box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.data.lake.view import View
from core.data.objects import Thing, things_of
from core.errors import LeptonError
from core.tasks.base import Fit
from core.tasks.facts import ColumnFacts
from core.tasks.pixels import Survey, own_size, unreadable
from core.tasks.preprocessing import ImageReading
from core.tasks.rows import label_order, place, skipped_note, values, with_place

STEP = 32
"""The sides of the canvas are multiples of the detector's coarsest stride."""
LEAST_SIDE, MOST_SIDE = 64, 320
"""Smaller ones than the least would be a single place at the coarsest stride."""
_SAMPLED = 2000


@dataclass(frozen=True)
class Learnt:
    """All that is known of the pictures of a data set.

    `height` and `width` are the canvas's, `mean` and `std` those of each channel, in units of the
    full range (0 to 1); `commonest` is the code of the commonest class, and `usual` its mean box:
    left, top, right, bottom as shares of a picture.
    """

    column: str
    target: str
    labels: tuple[str, ...]
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    commonest: int
    usual: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            name: list(each) if isinstance(each, tuple) else each
            for name, each in asdict(self).items()
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            tuple(codec["labels"]),
            int(codec["height"]),
            int(codec["width"]),
            mean=tuple(codec["mean"]),
            std=tuple(codec["std"]),
            commonest=int(codec["commonest"]),
            usual=tuple(codec["usual"]),
            notes=tuple(codec["notes"]),
        )


def learn(
    fit: Fit, view: View, split: str | None, side: int, reading: ImageReading | None = None
) -> Learnt:
    """Learn from the pictures of a split; the canvas has `side`, where it is not 0.

    Raises:
        UsageError: the pretrained model reads no such canvas.
        LeptonError: there is no box, or an image or a cell cannot be read.
    """
    counts = counted(view, fit.target, split)
    labels = sorted(counts, key=label_order)
    common = counts.most_common(1)[0][0]
    (column,) = fit.inputs
    survey = Survey(sampled_every=max(1, view.count(split) // _SAMPLED))
    usual: list[np.ndarray[Any, Any]] = []
    missing = outside = 0
    for batch in view.batches(with_place([column, fit.target], view), split=split, rows=512):
        cells, contents = values(batch, fit.target), values(batch, column)
        there = [at for at, cell in enumerate(cells) if cell is not None]
        missing += len(cells) - len(there)
        for at, error in survey.add([contents[at] for at in there]):
            raise unreadable(error, column, place(batch, there[at]))
        for at in there:
            height, width = own_size(contents[at])
            for thing in things_of(cells[at]):
                box = thing.within(width, height)
                outside += box is None
                if box and thing.label == common and not thing.crowd:
                    usual.append(np.array(box) / (width, height, width, height))
    if not usual:
        raise LeptonError(f'no box of "{common}" lies in its image', where=_where(view, split))
    notes = [*fit.notes, *skipped_note(fit.target, missing)]
    if outside:
        notes.append(f"{outside} boxes have no size or lie outside of their image: left out")
    size = (side, side) if side else canvas(survey)
    mean, std = (tuple(each) for each in survey.moments())
    if reading is not None:
        size = _stepped(reading.side(side) or size)
        mean, std = reading.mean, reading.std
    return Learnt(
        column,
        fit.target,
        tuple(labels),
        *size,
        mean=mean,
        std=std,
        commonest=labels.index(common),
        usual=tuple(np.mean(usual, 0).tolist()),
        notes=tuple(notes),
    )


def lists_objects(column: ColumnFacts, *, named: bool) -> bool:
    """Whether the samples of a column are lists of objects; one is not empty, if none names it."""
    if not column.is_text:
        return False
    try:
        counts = [len(things_of(cell)) for cell in column.samples]
        return bool(counts) and (named or any(counts))
    except ValueError:
        return False


def things(cell: object, column: str, where: str) -> list[Thing]:
    """The objects that a cell lists.

    Raises:
        LeptonError: it cannot be read; names column and row.
    """
    try:
        return things_of(cell)
    except ValueError as error:
        raise LeptonError(
            f"the objects cannot be read: {error}",
            where=f"column {column}, {where}",
            hint='They should be like [{"label": "cat", "bbox": [10, 20, 50, 40]}].',
        ) from error


def counted(view: View, column: str, split: str | None) -> Counter[str]:
    """The labels of a split with their boxes; crowds are none.

    Raises:
        LeptonError: a cell cannot be read, or there is no box at all.
    """
    counts: Counter[str] = Counter()
    for batch in view.batches(with_place([column], view), split=split):
        for at, cell in enumerate(values(batch, column)):
            if cell is not None:
                listed = things(cell, column, place(batch, at))
                counts.update(thing.label for thing in listed if not thing.crowd)
    if not counts:
        raise LeptonError(
            f'the column "{column}" has no box',
            where=_where(view, split),
            hint="Name another column with --target.",
        )
    return counts


def _where(view: View, split: str | None) -> str:
    return f"{view.version.ref}, {split} split" if split else view.version.ref


def canvas(survey: Survey) -> tuple[int, int]:
    """Height and width: those of the pictures, or the median of them, up to the next `STEP`."""
    return _stepped(survey.size(MOST_SIDE))


def _stepped(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (max(LEAST_SIDE, STEP * -(-side // STEP)) for side in size)
    return height, width
