"""Many rows at once, of which a bad one fails alone."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, TypeVar

Rows = TypeVar("Rows", bound=Sized)
Made = TypeVar("Made")


def _part(rows: Any, start: int, stop: int) -> Any:
    return rows[start:stop]


def in_halves(
    rows: Rows,
    work: Callable[[Rows], Made],
    alone: Callable[[Rows, Exception], Made],
    part: Callable[[Rows, int, int], Rows] = _part,
) -> list[Made]:
    """What `work` makes of the rows; when it fails, of halves of them, and so on.

    What is left of it in the end is a row that fails by itself, of which `alone` makes the answer.
    So a bad row costs few calls, however many good ones are with it.
    """
    try:
        return [work(rows)]
    except Exception as error:
        count = len(rows)
        if count == 1:
            return [alone(rows, error)]
        halves = part(rows, 0, count // 2), part(rows, count // 2, count)
        return [made for half in halves for made in in_halves(half, work, alone, part)]
