"""Inputs as what they are: pictures, sounds, texts, rows of a table, series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


class _Wordless:
    """What no words show: JSON has nothing of it."""

    words = None


@dataclass(frozen=True)
class Box:
    label: str
    box: tuple[float, float, float, float]
    """Left, top, right and bottom in pixels of the picture itself."""
    said: bool
    """Whether the model says so, or the truth."""


@dataclass(frozen=True)
class Picture(_Wordless):
    png: bytes
    width: int
    height: int
    """Of the picture itself; the PNG is smaller, in the same ratio."""
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Sound(_Wordless):
    wav: bytes
    """Its first seconds, one channel of 16 bits."""
    seconds: float
    wave: tuple[tuple[float, float], ...]
    """The lowest and the highest sample in each column, -1 to 1."""


@dataclass(frozen=True)
class Passage:
    text: str

    @property
    def words(self) -> str:
        return self.text


@dataclass(frozen=True)
class Cells:
    values: Mapping[str, str]

    @property
    def words(self) -> dict[str, str]:
        return dict(self.values)


@dataclass(frozen=True)
class Course(_Wordless):
    """A series: what was, what came, and what the model told; None where nothing is known."""

    past: tuple[float | None, ...]
    truth: tuple[float | None, ...]
    answer: tuple[float | None, ...]


Shown: TypeAlias = Picture | Sound | Passage | Cells | Course
