"""Boxes as tensors: [left, top, right, bottom] in pixels, compared, assigned and thinned out."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import LeptonError

_MUCH = 1e6
CENTRE = 1.5
"""How far from an object's centre a place may lie that answers for it, in strides."""


def overlap(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes [..., 4], and the generalised one (Rezatofighi 2019)."""
    less, more = torch.minimum(one, other), torch.maximum(one, other)
    inner, outer = less[..., 2:] - more[..., :2], more[..., 2:] - less[..., :2]
    both = inner.clamp(min=0).prod(-1)
    union = area(one) + area(other) - both
    hull = outer.clamp(min=0).prod(-1)
    ratio = both / union.clamp(min=1e-6)
    return ratio, ratio - (hull - union) / hull.clamp(min=1e-6)


def area(boxes: Tensor) -> Tensor:
    """Pixels of boxes [..., 4]."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def assigned(places: Tensor, boxes: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Which box each place answers for, int64 [n, p], and whether it does for any, bool [n, p].

    The rule of FCOS (Tian et al. 2019): a place near the centre of an object and inside of it,
    whose level is made for objects of that size; of several, the smallest. An object narrower than
    a stride counts as that wide, so that none falls between two places. `places` [p, 5] are x, y,
    stride, and the least and most distance to a side; `boxes` [n, k, 4], k >= 1; `there` bool
    [n, k].
    """
    x, y, stride, low, high = (each[None, :, None] for each in places.unbind(1))
    left, top, right, bottom = (each[:, None, :] for each in boxes.unbind(2))
    across, down = (x - (left + right) / 2).abs(), (y - (top + bottom) / 2).abs()
    half_width, half_height = (right - left) / 2, (bottom - top) / 2
    furthest = torch.maximum(across + half_width, down + half_height)
    near = CENTRE * stride
    inside = (across < torch.maximum(half_width, stride / 2 + 1e-3).minimum(near)) & (
        down < torch.maximum(half_height, stride / 2 + 1e-3).minimum(near)
    )
    fits = inside & (furthest >= low) & (furthest < high) & there[:, None]
    size = area(boxes)[:, None].expand_as(fits).masked_fill(~fits, torch.inf)
    smallest, which = size.min(2)
    return which, smallest.isfinite()


def paired(cost: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Which box each thing that was found answers for, and whether it does for any, [n, p] each.

    `cost` [n, p, k] is what each pair costs; all that `there` (bool [n, k]) are have the things
    that cost the least together.

    Raises:
        LeptonError: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise LeptonError(
            "boxes and objects are paired by scipy, which is not installed",
            hint="Install it: pip install 'lepton-tui[detection]'",
        ) from error
    which = torch.zeros(cost.shape[:2], dtype=torch.int64)
    positive = torch.zeros(cost.shape[:2], dtype=torch.bool)
    # What is no number has to be told of by the loss, not here.
    costs = cost.nan_to_num(nan=0.0, posinf=_MUCH, neginf=-_MUCH).cpu().numpy()
    for at, known in enumerate(there.cpu().numpy()):
        of = known.nonzero()[0]
        rows, columns = linear_sum_assignment(costs[at][:, of])
        which[at, rows] = torch.from_numpy(of[columns])
        positive[at, rows] = True
    return which.to(cost.device), positive.to(cost.device)


def covered(points: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
    """Which points [p, 2], or [n, p, 2], lie in any of the boxes [n, k, 4] that are there (bool
    [n, k]): bool [n, p]."""
    x, y = points[..., 0, None], points[..., 1, None]
    left, top, right, bottom = (each[:, None, :] for each in boxes.unbind(2))
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    return (inside & there[:, None]).any(2)


def thinned(boxes: Tensor, classes: Tensor, most: float) -> Tensor:
    """Which boxes stay, bool [n, k], of boxes [n, k, 4] in the order of their scores.

    One that overlaps a better one of its class by more than `most` goes (greedy non-maximum
    suppression, all pictures at once).
    """
    same = classes[:, :, None] == classes[:, None]
    rivals = (overlap(boxes[:, :, None], boxes[:, None])[0] > most) & same
    kept = torch.ones(classes.shape, dtype=torch.bool, device=boxes.device)
    for at in range(classes.shape[1]):
        kept[:, at + 1 :] &= ~(rivals[:, at, at + 1 :] & kept[:, at : at + 1])
    return kept
