"""A line of standard error that is drawn over while work goes on, in a terminal only."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lepton_tui.cli.output import bar, in_terminal, width
from screens.text import clip, human_bytes, human_count, human_duration, plain

CLEAR = "\r\x1b[K"


def refresh_seconds() -> float:
    """Time between two drawings: 8 a second, 3 over SSH."""
    return 1 / 3 if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY") else 1 / 8


class StatusLine:
    """Shows what goes on in one line; `say` writes a lasting line above it. Silent in a pipe."""

    def __init__(self) -> None:
        self.live = in_terminal(sys.stderr)
        self._every = refresh_seconds()
        self._next = 0.0
        self._drawn = False

    def show(self, text: str, *, now: bool = False) -> None:
        """Draw the line, unless it was drawn a moment ago."""
        if not self.live or (not now and time.monotonic() < self._next):
            return
        self._next = time.monotonic() + self._every
        sys.stderr.write(CLEAR + clip(plain(text), width() - 1))
        sys.stderr.flush()
        self._drawn = True

    def say(self, text: str) -> None:
        """A line that stays, in a pipe too."""
        self.clear()
        print(clip(plain(text), width()) if self.live else plain(text), file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
        self._drawn = False
        self._next = 0.0


@contextmanager
def working(what: str) -> Iterator[None]:
    """How long work takes that does not tell how far it is; shown when that is over a second."""
    line, done = StatusLine(), threading.Event()

    def tick() -> None:
        began = time.monotonic()
        while not done.wait(refresh_seconds()):
            if (passed := time.monotonic() - began) > 1:
                line.show(f"{what}  {human_duration(passed)}", now=True)

    ticking = threading.Thread(target=tick, daemon=True)
    if line.live:
        ticking.start()
    try:
        yield
    finally:
        done.set()
        if line.live:
            ticking.join()
        line.clear()


@contextmanager
def counting(what: str, *, in_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that tells how much is done, and of how much (0: not known)."""
    line = StatusLine()
    unit = human_bytes if in_bytes else human_count

    def progress(done: int, whole: int) -> None:
        if whole > 0:
            line.show(f"{what}  {bar(done / whole):<20}  {unit(done)} of {unit(whole)}")
        else:
            line.show(f"{what}  {unit(done)}")

    try:
        yield progress
    finally:
        line.clear()
