"""Pieces become text while they come: no half letter is shown, and no part of a stop word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Decoding(Protocol):
    """Makes text of pieces, one by one."""

    def step(self, piece: int) -> str:
        """The letters that are whole with this piece; those that are not are kept back."""

    def rest(self) -> str:
        """What was kept back."""


class Telling:
    """The text of one answer, as far as it may be shown."""

    def __init__(self, decoding: Decoding, stops: Sequence[str]) -> None:
        self._decoding = decoding
        self._stops = stops
        self._held = ""
        self.stopped = False
        """Whether a stop word has come; nothing is told after it."""

    @property
    def held(self) -> int:
        """Letters that are kept back, since a stop word may begin with them."""
        return len(self._held)

    def hear(self, piece: int) -> str:
        """The text that is sure with one more piece."""
        return self._told(self._decoding.step(piece), last=False)

    def end(self) -> str:
        """What was kept back, now that nothing more comes."""
        return self._told(self._decoding.rest(), last=True)

    def _told(self, more: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        text = self._held + more
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        kept = 0 if last else max((_begun(text, stop) for stop in self._stops), default=0)
        cut = len(text) - kept
        self._held = text[cut:]
        return text[:cut]


def _begun(text: str, stop: str) -> int:
    """How many letters at the end of a text may be the beginning of a stop word."""
    return next(
        (n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0
    )
