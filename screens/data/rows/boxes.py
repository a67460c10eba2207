"""Boxes over a picture, from a cell that lists the objects in it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.augmentation.example import Cell, Example, Placed
from screens.text import human_number, plain

COLOURS = ("#ff5f5f", "#5fd75f", "#5fafff", "#ffd75f", "#d787ff", "#5fd7d7")


@dataclass(frozen=True)
class Box:
    """An object in a picture: its label, its left top corner and its size in pixels."""

    label: str
    x: float
    y: float
    width: float
    height: float

    @property
    def said(self) -> str:
        sides = (self.x, self.y, self.width, self.height)
        return f"{plain(self.label)} at {', '.join(human_number(side) for side in sides)}"


def boxes_of(value: object) -> list[Box]:
    """The boxes that a cell lists as `[{"label": …, "bbox": [x, y, width, height]}, …]`."""
    if not isinstance(value, str) or not value.startswith("[{"):
        return []
    try:
        listed = json.loads(value)
        return [Box(str(each["label"]), *map(float, each["bbox"])) for each in listed]
    except (ValueError, TypeError, KeyError):
        return []


def boxes_in(answer: object) -> list[Box]:
    """The boxes of a model's answer, as `Task.answers` has them; none where it tells no boxes."""
    listed = answer.get("boxes", []) if isinstance(answer, dict) else []
    return [
        Box(str(each["label"]), left, top, right - left, bottom - top)
        for each in listed
        for left, top, right, bottom in [each["box"]]
    ]


def boxed(content: bytes, boxes: Sequence[Box]) -> bytes:
    """The picture with its boxes drawn, thick enough to be seen when it is shown small.

    Bytes that are no picture, or one too large, come back as they are.
    """
    from PIL import Image, ImageDraw

    from screens.half_blocks import MOST_PIXELS

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                return content
            drawn = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return content
    pen = ImageDraw.Draw(drawn)
    # The view is some hundred pixels wide: a line has to survive being made smaller.
    thick = max(1, round(max(drawn.size) / 100))
    labels = sorted({box.label for box in boxes})
    for box in boxes:
        colour = COLOURS[labels.index(box.label) % len(COLOURS)]
        corners = (box.x, box.y, box.x + max(box.width, 0), box.y + max(box.height, 0))
        pen.rectangle(corners, outline=colour, width=thick)
    written = io.BytesIO()
    drawn.save(written, "PNG")
    return written.getvalue()


def with_boxes(example: Example) -> Example:
    """An example with its boxes drawn in its pictures."""
    after = tuple(replace(each, content=_drawn(each.content, each.boxes)) for each in example.after)
    return replace(example, before=_drawn(example.before, example.boxes), after=after)


def _drawn(content: Cell, placed: Sequence[Placed]) -> Cell:
    boxes = [Box(label, x, y, right - x, bottom - y) for label, x, y, right, bottom in placed]
    return boxed(content, boxes) if isinstance(content, bytes) and boxes else content
