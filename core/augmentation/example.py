"""An example as it is shown: a row before, and what becomes of it in some epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Cell = bytes | str
"""An encoded image or sound, or a text."""


Placed = tuple[str, float, float, float, float]
"""An object in a picture: its label, and left, top, right and bottom in the pixels shown."""


@dataclass(frozen=True)
class Changed:
    """An example in one epoch; `share` is how much of it is the row's own, 1 if it is not mixed."""

    content: Cell
    share: float = 1.0
    boxes: tuple[Placed, ...] = ()


@dataclass(frozen=True)
class Example:
    """A row as it is, and what becomes of it in each epoch; or why it cannot be read."""

    row: int
    before: Cell = ""
    after: tuple[Changed, ...] = ()
    partner: int | None = None
    """The row that it is mixed with."""
    problem: str = ""
    boxes: tuple[Placed, ...] = ()
    """The objects of the row as it is."""

    def to_json(self) -> dict[str, Any]:
        after = [{**vars(each), "boxes": [*map(list, each.boxes)]} for each in self.after]
        return {**vars(self), "after": after, "boxes": [*map(list, self.boxes)]}

    @classmethod
    def from_json(cls, example: Mapping[str, Any]) -> Example:
        after = tuple(Changed(**{**each, "boxes": _placed(each)}) for each in example["after"])
        return cls(**{**example, "after": after, "boxes": _placed(example)})


def _placed(shown: Mapping[str, Any]) -> tuple[Placed, ...]:
    return tuple((label, *edges) for label, *edges in shown["boxes"])
