"""Letting those who wait at a screen go first."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SESSION = Path("/proc/self/autogroup")


def step_back(by: int) -> None:
    """Lower this process's priority by so many steps of niceness, and its children's with it.

    Where Linux groups processes by session (`sched_autogroup`, on in most distributions), niceness
    counts only among those of one session: a process detached into a session of its own would
    still take as much as all the terminal's. The session's own niceness is then set too.
    """
    os.nice(by)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _SESSION.write_text(str(min(by, 19)))
