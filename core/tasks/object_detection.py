"""Object detection: one column of images, one column that lists the objects in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.lake.view import View
from core.data.objects import Thing, things_of
from core.options import Option, resolved
from core.tasks import object_learning
from core.tasks.average_precision import MOST_FOUND, Precision, average_precision, require_judge
from core.tasks.base import UNKNOWN, Fit, Task
from core.tasks.classification import NOT_IN_TRAINING
from core.tasks.facts import TableFacts
from core.tasks.object_learning import LEAST_SIDE, STEP, Learnt, counted, lists_objects, things
from core.tasks.pixels import Standard, in_threads, letterboxed, unreadable
from core.tasks.preprocessing import ImageReading, Reading
from core.tasks.ragged import Ragged
from core.tasks.rows import media_row, place, values
from core.tasks.scoring import Scorer
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Array, Arrays, Batch, Rows

SURE = 0.3
"""A box is told to a person from this score on."""
_LEAST = 0.05
"""… and judged from this one on."""
_SAME = 0.5
"""Of two boxes of a class that overlap by more, one goes."""
_A_PICTURE = 200
"""What judging the boxes of a picture costs, in numbers gone through."""
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
    architectures: ClassVar[tuple[str, ...]] = ("detector", "detr", "yolos")
    metric: ClassVar[str] = "map"
    boxes: ClassVar[bool] = True
    takes_pretrained: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("image_size", 0, "pixels of a side", LEAST_SIDE, 2048, auto=True, multiple=STEP),
    )

    def __init__(self, learnt: Learnt) -> None:
        self.learnt = learnt
        self.columns = (learnt.column,)
        self.target = learnt.target
        self.labels = learnt.labels
        self.size = learnt.height, learnt.width
        self.notes = learnt.notes
        self._codes = {label: code for code, label in enumerate(self.labels)}
        self._standard = Standard(learnt.mean, learnt.std)
        self._last: tuple[Array, Ragged, Precision] | None = None

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        images = [column for column in named or facts.columns if column.is_image]
        able = [facts.column(target)] if target else facts.columns
        lists = [each for each in able if lists_objects(each, named=target is not None)]
        if not images or len(named) > 1 or not lists:
            return None
        why = f"{images[0].name} holds images, {lists[0].name} lists the objects in them"
        return Fit(cls.name, (images[0].name,), lists[0].name, 0.95, why)

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        require_judge()
        counted(view, fit.target, None)

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        side = resolved(cls.options, options or {}, cls.name)["image_size"]
        reads = reading if isinstance(reading, ImageReading) else None
        return cls(object_learning.learn(fit, view, split, side, reads))

    def to_json(self) -> dict[str, Any]:
        return self.learnt.to_json()

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(Learnt.from_json(codec))

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
        every = values(rows, column)
        cells = values(rows, self.target) if target else [None] * len(every)
        kept = [at for at, cell in enumerate(cells) if cell is not None or not target]
        contents = [every[at] for at in kept]
        fill = [round(255 * mean) for mean in self._standard.mean]

        def one(number: int) -> tuple[Array, Array]:
            try:
                return letterboxed(contents[number], fill, self.size)
            except ValueError as error:
                raise unreadable(error, column, place(rows, kept[number])) from error

        images = np.empty((len(kept), len(fill), *self.size), np.uint8)
        frames = np.empty((len(kept), 4), np.float32)
        for number, (image, frame) in enumerate(in_threads(one, contents)):
            images[number], frames[number] = image, frame
        arrays: Arrays = {"image": images, "frame": frames}
        if not target:
            return arrays
        found = [
            self._objects(things(cells[at], self.target, place(rows, at)), frame)
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
        self, outputs: tuple[Tensor, ...], batch: Batch, weight: Tensor | None = None
    ) -> Tensor:
        """Quality focal loss of the scores and the generalised overlap of the boxes.

        Of each picture, over the places that answer for an object: the score of a place is to be
        the overlap that its box has (Li et al. 2020). Of a set, what fits an object best answers
        for it, and is to be sure. What lies in a crowd is not background. Where a model tells what
        it would find after each layer, the losses of all are added up (Carion et al. 2020).
        """
        from core.tasks.detecting import losses

        truths = batch["boxes"], batch["target"], batch["target_length"]
        logits, boxes, places, *earlier = outputs
        each = losses((logits, boxes, places), *truths, self.size)
        for logits, boxes in zip(earlier[::2], earlier[1::2], strict=True):
            each = each + losses((logits, boxes, places), *truths, self.size)
        return (each if weight is None else each * weight).mean()

    def naive(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The mean box of the commonest class, in every picture."""
        import torch

        frame = batch["frame"]
        logits = torch.full((len(frame), 1, len(self.labels)), _UNLIKELY, device=frame.device)
        logits[..., self.learnt.commonest] = _LIKELY
        usual = torch.tensor(self.learnt.usual, dtype=torch.float32, device=frame.device)
        boxes = usual * (frame[:, :2] * frame[:, 2:]).repeat(1, 2)
        height, width = self.size
        place = [width / 2, height / 2, float(max(self.size)), 0.0, torch.inf]
        return logits, boxes[:, None], torch.tensor([place], device=frame.device)

    def keep(self, outputs: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """The surest boxes, float [n, k, 6]: class, score, and the box in the picture, then -1."""
        from core.tasks.detecting import best

        logits, boxes, *_ = outputs
        return best(logits, boxes, batch["frame"], least=_LEAST, same=_SAME, most=MOST_FOUND)

    def scorer(self, found: Array, target: Ragged) -> Scorer:
        judged = self._judged(found, target)
        return Scorer(judged.scores_of, _A_PICTURE * len(target))

    def report(self, found: Array, target: Ragged) -> dict[str, Any]:
        return {
            "per_class": list(self._classes(self._judged(found, target))),
            "per_class_of": f"boxes with a score of {SURE:.0%} or more that overlap their object by"
            " half or more (IoU 0.5)",
        }

    def verdicts(self, found: Array, target: Ragged) -> Verdicts:
        """The worst are the pictures with most objects missed and boxes that are no object."""
        hits, misses, alarms = self._judged(found, target).counts.sum(2)
        errors = (misses + alarms).astype(np.float64)
        kinds = [part[part[:, 5] == 0, 0] for part in target.parts()]
        return Verdicts(
            badness=errors,
            told=errors,
            measure=ERROR,
            truth=lambda at: self._words(kinds[at]),
            answer=lambda at: f"{hits[at]} found, {misses[at]} missed, {alarms[at]} wrong",
        )

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
        return media_row(given, self.columns[0], "image")

    def _judged(self, found: Array, target: Ragged) -> Precision:
        """Kept for the arrays that were judged last: scores, verdicts and report are made of it,
        and it takes longer than they."""
        last = self._last
        if last is None or last[0] is not found or last[1] is not target:
            there = [boxes[boxes[:, 0] >= 0] for boxes in found]
            precision = average_precision(there, target.parts(), len(self.labels), SURE)
            last = self._last = found, target, precision
        return last[2]

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
