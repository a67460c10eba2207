"""When Python looks for garbage: not while a person waits for the answer to a key.

Looking through all of the app's objects stops it for 50 to 100 ms, which Python would do in the
middle of a start, or between a key and its answer.
"""

from __future__ import annotations

import gc
from time import monotonic

LOOK_SECONDS = 10.0
_QUIET_SECONDS = 2.0
_NEVER = 1_000_000


class QuietCollector:
    """Leaves full collections to moments when nothing was pressed for a while."""

    def __init__(self) -> None:
        self._touched = monotonic()
        self._begun = False

    @staticmethod
    def hold() -> None:
        """Collect nothing until `begin`: what a start makes stays."""
        gc.disable()

    def begin(self) -> None:
        """Collect again; what is there now is never looked through."""
        young, middle, _ = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(young, middle, _NEVER)
        gc.enable()
        self._begun = True

    @staticmethod
    def end() -> None:
        """Let Python take apart at its exit what was kept out of its sight; DuckDB complains of
        every type and function that is left then, in a hundred lines on the terminal."""
        gc.unfreeze()

    def touched(self) -> None:
        """A person did something, and may go on to."""
        self._touched = monotonic()

    def look(self) -> None:
        """Collect if it disturbs nobody; call it every `LOOK_SECONDS`."""
        if not self._begun:
            self.begin()
        elif monotonic() - self._touched > _QUIET_SECONDS:
            gc.collect()
