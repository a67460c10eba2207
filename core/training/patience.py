"""Writing to a disk that may be full: a training waits for room, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from core.errors import DiskFullError

T = TypeVar("T")

PAUSED = "paused"
"""The event that says why a run waits, and with None that it goes on."""
ROOM_SECONDS = 5.0
"""How long to wait before looking again."""


def at_once(work: Callable[..., T], *given: Any, **named: Any) -> T:
    """Do it without waiting for anything."""
    return work(*given, **named)


class Patience:
    """`wait` sleeps for so many seconds and says whether the run was asked to stop meanwhile.

    Where several do the same work and fail alike, one of them `speaks`.
    """

    def __init__(
        self,
        wait: Callable[[float], bool],
        tell: Callable[..., Any],
        *,
        speaks: bool = True,
    ) -> None:
        self._wait = wait
        self._tell = tell
        self._speaks = speaks

    def __call__(self, work: Callable[..., T], *given: Any, **named: Any) -> T:
        """Do what writes to the disk; while that is full, wait for room.

        Raises:
            DiskFullError: the run was asked to stop meanwhile.
        """
        told = False
        while True:
            try:
                done = work(*given, **named)
            except DiskFullError as error:
                if not told:
                    # The event may find no room either: then the log of the process has it.
                    words = f"paused: {error.what}; training goes on when there is room"
                    self._say(words, why=error.what)
                told = True
                if self._wait(ROOM_SECONDS):
                    raise
            else:
                if told:
                    self._say("there is room again: training goes on", why=None)
                return done

    def _say(self, text: str, *, why: str | None) -> None:
        if not self._speaks:
            return
        print(text, flush=True)  # noqa: T201 - this is the log of the run's process
        try:
            self._tell(PAUSED, why=why)
            self._tell("log", text=text)
        except DiskFullError:
            return
