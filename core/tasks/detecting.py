"""What a detector is taught by a batch of pictures, and what is taken of what it finds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from core.tasks.boxes import assigned, covered, overlap, paired, thinned

_MOST_PAIRS = 1 << 22
"""Places and boxes that are compared at once; each pair takes some 50 bytes."""
_OF_BOXES = 2.0
"""How much the boxes count beside the scores (Li et al. 2020)."""
_OF_EDGES = 5.0
"""… and the distance of their edges, in shares of the canvas (Carion et al. 2020)."""


def losses(
    outputs: tuple[Tensor, Tensor, Tensor],
    boxes: Tensor,
    truth: Tensor,
    lengths: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """The loss of each picture, float [n]; see `core.models.detector` for the outputs.

    `boxes` [n, k, 4] lie on the canvas, of that `size` (height, width); `truth` [n, k, 6] has their
    classes and crowds, and `lengths` int64 [n] says how many of the k there are. A class below 0 is
    not known. A model that names no places answers for an object with what fits it best.
    """
    logits, found, places = (each.float() for each in outputs)
    if not boxes.shape[1]:
        boxes, truth = F.pad(boxes, (0, 0, 0, 1)), F.pad(truth, (0, 0, 0, 1))
    there = torch.arange(boxes.shape[1], device=boxes.device) < lengths[:, None]
    # What was cropped away has a box without an inside at the edge: it is not to be found there.
    there = there & (boxes[..., 2:] > boxes[..., :2]).all(2)
    kinds = truth[..., 0].long()
    known = there & (truth[..., 5] == 0) & (kinds >= 0)
    # A crowd, or a thing of a class that is not known, is neither an object nor background.
    strange = there & ~known
    if len(places):
        which, positive, aside = _by_place(places, boxes, known, strange)
    else:
        which, positive = paired(_cost(logits, found, boxes, kinds, size), known)
        aside = covered((found[..., :2] + found[..., 2:]) / 2, boxes, strange)
    meant = boxes.gather(1, which[..., None].expand(-1, -1, 4))
    ratio, general = overlap(found, meant)
    # A set has nobody beside it who could do better: what answers for an object is to be sure.
    quality = torch.where(positive, ratio.detach(), 0) if len(places) else positive.to(ratio)
    kind = kinds.gather(1, which).clamp(min=0)
    wanted = torch.zeros_like(logits).scatter_(2, kind[..., None], quality[..., None])
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    scores = (each * (logits.sigmoid() - wanted).square()).sum(2)
    scores = scores.masked_fill(aside & ~positive, 0).sum(1)
    missed = torch.where(positive, 1 - general, 0).sum(1)
    if not len(places):
        # What begins anywhere has to come near before it can overlap.
        away = (found - meant).abs() / _sides(size, found)
        scores = scores + _OF_EDGES * torch.where(positive, away.sum(2), 0).sum(1)
    return (scores + _OF_BOXES * missed) / positive.sum(1).clamp(min=1)


def _by_place(places: Tensor, boxes: Tensor, known: Tensor, strange: Tensor) -> tuple[Tensor, ...]:
    """Which box each place answers for, whether for any, and whether it lies in a strange one."""
    at_once = max(1, _MOST_PAIRS // (len(places) * boxes.shape[1]))
    parts = [torch.split(each, at_once) for each in (boxes, known, strange)]
    told = [
        (*assigned(places, some, wanted), covered(places[:, :2], some, other))
        for some, wanted, other in zip(*parts, strict=True)
    ]
    return tuple(torch.cat(each) for each in zip(*told, strict=True))


@torch.no_grad()
def _cost(
    logits: Tensor, found: Tensor, boxes: Tensor, kinds: Tensor, size: tuple[int, int]
) -> Tensor:
    """How badly each thing of a set that was found fits each object, [n, p, k] (DETR's way)."""
    codes = kinds.clamp(min=0)[:, None].expand(-1, found.shape[1], -1)
    sure = logits.sigmoid().gather(2, codes)
    away = (found[:, :, None] - boxes[:, None]).abs() / _sides(size, found)
    general = overlap(found[:, :, None], boxes[:, None])[1]
    return _OF_EDGES * away.sum(3) - _OF_BOXES * (general + sure)


def _sides(size: tuple[int, int], like: Tensor) -> Tensor:
    """The canvas as edges are measured by: width, height, width, height."""
    return like.new_tensor([size[1], size[0]] * 2)


def best(
    logits: Tensor, boxes: Tensor, frame: Tensor, *, least: float, same: float, most: int
) -> Tensor:
    """The surest boxes, the best first, float [n, k, 6]; the rest of a row is -1.

    Each is class, score, and left, top, right, bottom in the picture's own pixels, cut to the
    picture, which lies on the canvas as `frame` [n, 4] says. A score is at least `least`; of boxes
    of a class that overlap by more than `same`, the best stays; `most` are taken of a picture.
    """
    scores = logits.float().sigmoid().flatten(1)
    top, at = scores.topk(min(most, scores.shape[1]))
    kinds = logits.shape[2]
    place, kind = at // kinds, at % kinds
    scale = frame[:, None, :2].repeat(1, 1, 2)
    chosen = boxes.float().gather(1, place[..., None].expand(-1, -1, 4)) / scale
    edge = frame[:, None, 2:].repeat(1, 1, 2)
    chosen = torch.minimum(chosen, edge).clamp(min=0)
    # Written so that what is no number is kept, and told of, instead of being no box.
    empty = (chosen[..., 2:] <= chosen[..., :2]).any(2)
    poor = (top < least) | empty
    kept = thinned(chosen, kind.masked_fill(poor, -1), same) & ~poor
    made = torch.cat([kind[..., None], top[..., None], chosen], 2).masked_fill(~kept[..., None], -1)
    first = (~kept).int().argsort(dim=1, stable=True)
    longest = max(1, int(kept.sum(1).max()))
    return made.gather(1, first[..., None].expand_as(made))[:, :longest]
