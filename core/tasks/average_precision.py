"""Found boxes judged by COCO's rules, which are pycocotools'."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from core.errors import LeptonError

Array = np.ndarray[Any, Any]

MOST_FOUND = 300
"""Boxes that are found in a picture, the surest first."""
_HALF = 0
"""The first of the ten overlaps that COCO judges at: 0.5, 0.55, … 0.95."""
_OVERLAPS = 10
_RECALLS = np.linspace(0.0, 1.0, 101)
_EVERY_SIZE = (0.0, 1e10)


@dataclass(frozen=True)
class _Kind:
    """The boxes of one class, the surest first, and how they were matched.

    `picture` int64 [k] is where each lies, `hit` and `miss` bool [overlaps, k] whether it has an
    object or none, and `objects` int64 [pictures] how many objects there are.
    """

    picture: Array
    hit: Array
    miss: Array
    objects: Array

    def precision(self, counts: Array) -> tuple[Array, Array]:
        """Precision at each of COCO's recalls [overlaps, 101], and the recall reached [overlaps].

        A picture that counts twice has each of its boxes twice, one after the other, which moves
        no corner of COCO's curve.
        """
        often = counts[self.picture]
        hits, misses = (np.cumsum(each * often, 1) for each in (self.hit, self.miss))
        found = np.zeros((_OVERLAPS, len(_RECALLS)))
        if not len(often):
            return found, np.zeros(_OVERLAPS)
        precision = hits / np.maximum(hits + misses, np.spacing(1))
        highest = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        recall = hits / (counts @ self.objects)
        for at, (curve, reached) in enumerate(zip(highest, recall, strict=True)):
            place = np.searchsorted(reached, _RECALLS)
            there = place < len(curve)
            found[at, there] = curve[place[there]]
        return found, recall[:, -1]


@dataclass(frozen=True)
class Precision:
    """What COCO says of found boxes; the arrays have one column more, the last, for UNKNOWN."""

    scores: dict[str, float]
    per_class: Array
    """Average precision of each class, float64 [classes + 1]; NaN where it has no object."""
    counts: Array
    """At an overlap of a half: objects found, objects missed, and boxes that are no object, int64
    [3, pictures, classes + 1]."""
    kinds: tuple[_Kind, ...]
    """The classes that have a box or an object somewhere."""

    def scores_of(self, counts: Array) -> dict[str, float]:
        """`scores`, were each picture there so often, float64 [pictures]."""
        judged = [each.precision(counts) for each in self.kinds if counts @ each.objects]
        precision = np.stack([of for of, _ in judged]) if judged else np.zeros((1, _OVERLAPS, 1))
        recall = [found for _, found in judged] or [np.zeros(_OVERLAPS)]
        return _named(precision.swapaxes(0, 1), np.stack(recall))


def require_judge() -> None:
    """Ask for pycocotools, before anything is trained.

    Raises:
        LeptonError: it is not installed.
    """
    if find_spec("pycocotools") is None:
        raise LeptonError(
            "boxes are judged by pycocotools, which is not installed",
            hint="Install it: pip install 'lepton-tui[detection]'",
        )


def average_precision(
    found: Sequence[Array], truth: Sequence[Array], classes: int, sure: float
) -> Precision:
    """Judge boxes as COCO does, with names as torchmetrics has them; the means are over classes.

    `found` has for each picture [k, 6], class, score and box; `truth` has [k, 6], class, box, and 1
    for a crowd, which counts neither way. COCO's own rule takes 100 boxes of a picture; here it is
    `MOST_FOUND`. The counts are of boxes that are at least so `sure`.

    Raises:
        LeptonError: pycocotools is not installed.
    """
    require_judge()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # A class that training did not have is the last one: its objects are all missed.
    head = {
        "images": [{"id": at} for at in range(len(truth))],
        "categories": [{"id": each} for each in range(classes + 1)],
    }

    def made(annotations: list[dict[str, Any]]) -> Any:
        coco = COCO()
        coco.dataset = {**head, "annotations": annotations}
        coco.createIndex()
        return coco

    # It tells of its progress on the standard output, which belongs to others.
    with redirect_stdout(io.StringIO()):
        judge = COCOeval(made(_objects(truth, classes)), made(_answers(found)), "bbox")
        judge.params.maxDets = [MOST_FOUND]
        judge.params.areaRng, judge.params.areaRngLbl = [_EVERY_SIZE], ["all"]
        judge.evaluate()
        judge.accumulate()
    # [overlaps, recalls, classes, sizes, most boxes], -1 where a class has no object.
    precision = judge.eval["precision"][:, :, :, 0, 0]
    return Precision(
        _named(precision.swapaxes(1, 2), judge.eval["recall"][:, :, 0, 0]),
        np.array([_mean(precision[:, :, at]) for at in range(classes + 1)]),
        _matched(judge.evalImgs, len(truth), classes + 1, sure),
        tuple(_kinds(judge.evalImgs, len(truth))),
    )


def _named(precision: Array, recall: Array) -> dict[str, float]:
    """The scores of precision [overlaps, …] and recall, as torchmetrics names them."""
    scores = {
        "map": _mean(precision),
        "map_50": _mean(precision[_HALF]),
        "map_75": _mean(precision[5]),
        f"mar_{MOST_FOUND}": _mean(recall),
    }
    return {name: 0.0 if np.isnan(value) else value for name, value in scores.items()}


def _objects(pictures: Sequence[Array], classes: int) -> list[dict[str, Any]]:
    return [
        _annotation(at, number, int(kind) if kind >= 0 else classes, box, iscrowd=int(crowd))
        for number, (at, (kind, *box, crowd)) in enumerate(_rows(pictures), 1)
    ]


def _answers(pictures: Sequence[Array]) -> list[dict[str, Any]]:
    return [
        _annotation(at, number, int(kind), box, iscrowd=0, score=score)
        for number, (at, (kind, score, *box)) in enumerate(_rows(pictures), 1)
    ]


def _rows(pictures: Sequence[Array]) -> list[tuple[int, list[float]]]:
    return [(at, row) for at, rows in enumerate(pictures) for row in rows.tolist()]


def _annotation(
    picture: int, number: int, kind: int, box: list[float], **more: float
) -> dict[str, Any]:
    """Numbers go from 1: what is matched with none has the number 0."""
    left, top, right, bottom = box
    size = right - left, bottom - top
    return {
        "id": number,
        "image_id": picture,
        "category_id": kind,
        "bbox": [left, top, *size],
        "area": size[0] * size[1],
        **more,
    }


def _matched(judged: list[Any], pictures: int, kinds: int, sure: float) -> Array:
    """Hits, misses and alarms at an overlap of a half, int64 [3, pictures, kinds]."""
    counts = np.zeros((3, pictures, kinds), np.int64)
    for each in judged:
        if each is None:
            continue
        counted = (np.array(each["dtScores"]) >= sure) & ~each["dtIgnore"][_HALF]
        hit = each["dtMatches"][_HALF] > 0
        hits = int((hit & counted).sum())
        objects = int((np.array(each["gtIgnore"]) == 0).sum())
        place = each["image_id"], each["category_id"]
        counts[(slice(None), *place)] = hits, objects - hits, int((~hit & counted).sum())
    return counts


def _kinds(judged: list[Any], pictures: int) -> Iterator[_Kind]:
    by_kind: dict[int, list[Any]] = defaultdict(list)
    for each in judged:
        if each is not None:
            by_kind[each["category_id"]].append(each)
    for those in by_kind.values():
        scores = np.concatenate([each["dtScores"] for each in those])
        order = np.argsort(-scores, kind="stable")
        matched = np.concatenate([each["dtMatches"] for each in those], 1)[:, order] > 0
        ignored = np.concatenate([each["dtIgnore"] for each in those], 1)[:, order].astype(bool)
        lying = np.repeat(
            [each["image_id"] for each in those], [len(each["dtScores"]) for each in those]
        )
        objects = np.zeros(pictures, np.int64)
        for each in those:
            objects[each["image_id"]] = int((np.array(each["gtIgnore"]) == 0).sum())
        yield _Kind(lying[order].astype(np.int64), matched & ~ignored, ~matched & ~ignored, objects)


def _mean(values: Array) -> float:
    """The mean of those that are known; NaN where none is."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")
