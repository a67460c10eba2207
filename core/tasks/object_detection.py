"""Object detection: one column of images, one column that lists the objects in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.lake.view import View
from core.errors import LeptonError
from core.options import Option, resolved
from core.tasks.average_precision import Precision, average_precision, require_judge
from core.tasks.base import UNKNOWN, Fit, Task
from core.tasks.classification import NOT_IN_TRAINING
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.objects import MOST_FOUND, Thing, things_of
from core.tasks.pixels import (
    Standard,
    Survey,
    image_row,
    in_threads,
    letterboxed,
    own_size,
    unreadable,
)
from core.tasks.ragged import Ragged
from core.tasks.rows import label_order, place, skipped_note, values, with_place

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Array, Arrays, Batch, Rows

STEP = 32
"""The sides of the canvas are multiples of the detector's coarsest stride."""
LEAST_SIDE, MOST_SIDE = 64, 320
"""Smaller ones than the least would be a single place at the coarsest stride."""
SURE = 0.3
"""A box is told to a person from this score on."""
_LEAST = 0.05
"""… and judged from this one on."""
_SAME = 0.5
"""Of two boxes of a class that overlap by more, one goes."""
_SAMPLED = 2000
_WORST = 20
_LIKELY, _UNLIKELY = 2.0, -6.0


class ObjectDetection(Task):
    """What is in a picture, and where.

    A picture lies at the top left of a canvas that is the same for all, its sides in their own
    ratio. "frame" says how it got there, "boxes" where its objects are on the canvas (what moves
    the picture moves them too), and "target" where they are in the picture's own pixels, in which
    answers and scores are.
    """

    name: ClassVar[str] = "object-detection"
    summary: ClassVar[str] = "what is in an image, and where"
    needs: ClassVar[str] = "a column of images and a column of objects with a label and a bbox each"
    reads: ClassVar[str] = "image"
    gives: ClassVar[str] = "boxes"
    architectures: ClassVar[tuple[str, ...]] = ("detector",)
    metric: ClassVar[str] = "map"
    boxes: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("image_size", 0, "pixels of a side", LEAST_SIDE, 2048, auto=True, multiple=STEP),
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
        commonest: int,
        usual: Sequence[float],
        notes: Sequence[str] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.labels = tuple(labels)
        self.size = size
        self.commonest = commonest
        self.usual = tuple(usual)
        """The mean box of the commonest class: left, top, right, bottom as shares of a picture."""
        self.notes = tuple(notes)
        self._codes = {label: code for code, label in enumerate(self.labels)}
        self._standard = Standard(mean, std)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        images = [column for column in named or facts.columns if column.is_image]
        able = [facts.column(target)] if target else facts.columns
        lists = [each for each in able if _lists_objects(each, named=target is not None)]
        if not images or len(named) > 1 or not lists:
            return None
        why = f"{images[0].name} holds images, {lists[0].name} lists the objects in them"
        return Fit(cls.name, (images[0].name,), lists[0].name, 0.95, why)

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        require_judge()
        _counted(view, fit.target, None)

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        side = resolved(cls.options, options or {}, cls.name)["image_size"]
        counts = _counted(view, fit.target, split)
        labels = sorted(counts, key=label_order)
        common = counts.most_common(1)[0][0]
        (column,) = fit.inputs
        survey = Survey(sampled_every=max(1, view.count(split) // _SAMPLED))
        usual: list[Array] = []
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
        mean, std = survey.moments()
        return cls(
            column,
            fit.target,
            labels,
            size=(side, side) if side else _canvas(survey),
            mean=mean,
            std=std,
            commonest=labels.index(common),
            usual=np.mean(usual, 0).tolist(),
            notes=notes,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "labels": list(self.labels),
            "height": self.size[0],
            "width": self.size[1],
            "mean": list(self._standard.mean),
            "std": list(self._standard.std),
            "commonest": self.commonest,
            "usual": list(self.usual),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            codec["labels"],
            size=(int(codec["height"]), int(codec["width"])),
            mean=codec["mean"],
            std=codec["std"],
            commonest=int(codec["commonest"]),
            usual=codec["usual"],
            notes=codec["notes"],
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": "objects",
            "channels": len(self._standard.mean),
            "height": self.size[0],
            "width": self.size[1],
            "outputs": len(self.labels),
        }

    @property
    def at_once(self) -> int:
        return 32

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """ "image", uint8 [n, channels, height, width], and "frame", float32 [n, 4].

        A frame is as `letterboxed` has it. With `target`, `Ragged` float32 each, "boxes" [k, 4]
        on the canvas, and "target" [k, 6]: class, box in the picture, and 1 for a crowd. A box
        that has no part in its picture is left out.
        """
        (column,) = self.columns
        contents = values(rows, column)
        cells = values(rows, self.target) if target else [None] * len(contents)
        kept = [at for at, cell in enumerate(cells) if cell is not None or not target]
        fill = [round(255 * mean) for mean in self._standard.mean]

        def one(number: int) -> tuple[Array, Array]:
            try:
                return letterboxed(contents[kept[number]], fill, self.size)
            except ValueError as error:
                raise unreadable(error, column, place(rows, kept[number])) from error

        images = np.empty((len(kept), len(fill), *self.size), np.uint8)
        frames = np.empty((len(kept), 4), np.float32)
        for number, (image, frame) in enumerate(in_threads(one, len(kept))):
            images[number], frames[number] = image, frame
        arrays: Arrays = {"image": images, "frame": frames}
        if not target:
            return arrays
        found = [
            self._objects(_things(cells[at], self.target, place(rows, at)), frame)
            for at, frame in zip(kept, frames, strict=True)
        ]
        # One without objects stands before them, so that there always is one to be joined.
        whole = np.concatenate([np.zeros((0, 6), np.float32), *found])
        lengths = np.array([len(each) for each in found], np.int64)
        scale = np.repeat(frames[:, [0, 1, 0, 1]], lengths, 0)
        return {
            **arrays,
            "boxes": Ragged(whole[:, 1:5] * scale, lengths),
            "target": Ragged(whole, lengths),
            "row": np.array(kept, np.int64),
        }

    def _objects(self, things: Sequence[Thing], frame: Array) -> Array:
        """What is in a picture, float32 [k, 6]."""
        inside = [(thing, box) for thing in things if (box := thing.within(*frame[2:].tolist()))]
        rows = [(self._codes.get(thing.label, UNKNOWN), *box, thing.crowd) for thing, box in inside]
        return np.array(rows, np.float32).reshape(-1, 6)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return (self._standard(batch["image"]),)

    def loss(
        self, outputs: tuple[Tensor, Tensor, Tensor], batch: Batch, weight: Tensor | None = None
    ) -> Tensor:
        """Quality focal loss of the scores and the generalised overlap of the boxes.

        Of each picture, over the places that answer for an object: the score of a place is to be
        the overlap that its box has (Li et al. 2020). What lies in a crowd is not background.
        """
        from core.tasks.detecting import losses

        each = losses(outputs, batch["boxes"], batch["target"], batch["target_length"])
        return (each if weight is None else each * weight).mean()

    def naive(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The mean box of the commonest class, in every picture."""
        import torch

        frame = batch["frame"]
        logits = torch.full((len(frame), 1, len(self.labels)), _UNLIKELY, device=frame.device)
        logits[..., self.commonest] = _LIKELY
        usual = torch.tensor(self.usual, dtype=torch.float32, device=frame.device)
        boxes = usual * (frame[:, :2] * frame[:, 2:]).repeat(1, 2)
        height, width = self.size
        place = [width / 2, height / 2, float(max(self.size)), 0.0, torch.inf]
        return logits, boxes[:, None], torch.tensor([place], device=frame.device)

    def keep(self, outputs: tuple[Tensor, Tensor, Tensor], batch: Batch) -> Tensor:
        """The surest boxes, float [n, k, 6]: class, score, and the box in the picture, then -1."""
        from core.tasks.detecting import best

        logits, boxes, _ = outputs
        return best(logits, boxes, batch["frame"], least=_LEAST, same=_SAME, most=MOST_FOUND)

    def scores(self, found: Array, target: Ragged) -> dict[str, float]:
        return self._judged(found, target).scores

    def report(self, found: Array, target: Ragged) -> dict[str, Any]:
        judged = self._judged(found, target)
        hits, misses, alarms = judged.counts.sum(2)
        errors = misses + alarms
        worst = [int(at) for at in np.argsort(-errors, kind="stable")[:_WORST] if errors[at]]
        kinds = [part[part[:, 5] == 0, 0] for part in target.parts()]
        return {
            "per_class": list(self._classes(judged)),
            "per_class_of": f"boxes with a score of {SURE:.0%} or more that overlap their object by"
            " half or more (IoU 0.5)",
            "mistakes": [
                {
                    "row": at,
                    "truth": self._words(kinds[at]),
                    "answer": f"{hits[at]} found, {misses[at]} missed, {alarms[at]} wrong",
                    "error": float(errors[at]),
                }
                for at in worst
            ],
        }

    def answers(self, found: Array) -> list[Any]:
        return [
            {
                "boxes": [
                    {
                        "label": self.labels[int(kind)],
                        "score": score,
                        # A hundredth of a pixel is finer than any box is.
                        "box": [round(edge, 2) for edge in box],
                    }
                    for kind, score, *box in boxes.tolist()
                    if kind >= 0 and score >= SURE
                ]
            }
            for boxes in found
        ]

    def truth(self, cell: object) -> Any:
        try:
            things = things_of(cell)
        except ValueError:
            return None
        return {"boxes": [{"label": each.label, "box": list(each.box)} for each in things]}

    def row(self, given: object) -> dict[str, Any]:
        """A row from the bytes of an image or the path of a file, alone or in its column.

        Paths are read: give it only what the person at this machine named.
        """
        return image_row(given, self.columns[0])

    def _judged(self, found: Array, target: Ragged) -> Precision:
        there = [boxes[boxes[:, 0] >= 0] for boxes in found]
        return average_precision(there, target.parts(), len(self.labels), SURE)

    def _classes(self, judged: Precision) -> Iterator[dict[str, Any]]:
        """Each class with objects or boxes: how good its boxes are that are told to a person."""
        for code, label in enumerate((*self.labels, NOT_IN_TRAINING)):
            hits, misses, alarms = judged.counts[:, :, code].sum(1).tolist()
            if not hits + misses + alarms:
                continue
            precision, recall = hits / max(1, hits + alarms), hits / max(1, hits + misses)
            known = hits + misses > 0
            yield {
                "label": label,
                "average_precision": float(judged.per_class[code]) if known else 0.0,
                "precision": precision,
                "recall": recall,
                "f1": 2 * precision * recall / max(1e-9, precision + recall),
                "support": hits + misses,
            }

    def _words(self, kinds: Array) -> str:
        counts = Counter(self.labels[int(kind)] if kind >= 0 else NOT_IN_TRAINING for kind in kinds)
        return ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"


def _lists_objects(column: ColumnFacts, *, named: bool) -> bool:
    """Whether the samples of a column are lists of objects; one is not empty, if none names it."""
    if not column.is_text:
        return False
    try:
        counts = [len(things_of(cell)) for cell in column.samples]
        return bool(counts) and (named or any(counts))
    except ValueError:
        return False


def _things(cell: object, column: str, where: str) -> list[Thing]:
    try:
        return things_of(cell)
    except ValueError as error:
        raise LeptonError(
            f"the objects cannot be read: {error}",
            where=f"column {column}, {where}",
            hint='They should be like [{"label": "cat", "bbox": [10, 20, 50, 40]}].',
        ) from error


def _counted(view: View, column: str, split: str | None) -> Counter[str]:
    """The labels of a split with their boxes; crowds are none.

    Raises:
        LeptonError: a cell cannot be read, or there is no box at all.
    """
    counts: Counter[str] = Counter()
    for batch in view.batches(with_place([column], view), split=split):
        for at, cell in enumerate(values(batch, column)):
            if cell is not None:
                things = _things(cell, column, place(batch, at))
                counts.update(thing.label for thing in things if not thing.crowd)
    if not counts:
        raise LeptonError(
            f'the column "{column}" has no box',
            where=_where(view, split),
            hint="Name another column with --target.",
        )
    return counts


def _where(view: View, split: str | None) -> str:
    return f"{view.version.ref}, {split} split" if split else view.version.ref


def _canvas(survey: Survey) -> tuple[int, int]:
    """Height and width: those of the pictures, or the median of them, up to the next `STEP`."""
    height, width = survey.size(MOST_SIDE)
    return _stepped(height), _stepped(width)


def _stepped(side: int) -> int:
    return max(LEAST_SIDE, STEP * -(-side // STEP))
