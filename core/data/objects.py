"""Objects as a cell lists them: JSON with a label and a box for each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in the picture's own pixels."""


@dataclass(frozen=True)
class Thing:
    """An object; a crowd is many of them in one box, and none that one is to find."""

    label: str
    box: Box
    crowd: bool = False

    def within(self, width: float, height: float) -> Box | None:
        """The part of its box that lies in a picture of that size; None when there is none."""
        left, top, right, bottom = self.box
        left, top = max(0.0, left), max(0.0, top)
        right, bottom = min(width, right), min(height, bottom)
        return (left, top, right, bottom) if right > left and bottom > top else None


def things_of(cell: object) -> list[Thing]:
    """The objects that a cell lists as `[{"label": …, "bbox": [x, y, width, height]}, …]`.

    That is how COCO and Pascal VOC lie in the lake; `iscrowd` may be there.

    Raises:
        ValueError: it is no such list.
    """
    try:
        listed = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(listed, list):
        raise ValueError("it is no list of objects")  # noqa: TRY004 - of the cell, not of a type
    return [_thing(each) for each in listed]


def _thing(each: object) -> Thing:
    if not isinstance(each, Mapping) or not {"label", "bbox"} <= each.keys():
        raise ValueError('an object has no "label" or no "bbox"')
    try:
        x, y, width, height = map(float, each["bbox"])
    except (TypeError, ValueError) as error:
        raise ValueError('a "bbox" is not [x, y, width, height]') from error
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError('a "bbox" has an edge that is no number')
    return Thing(str(each["label"]), (x, y, x + width, y + height), bool(each.get("iscrowd")))
