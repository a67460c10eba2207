"""Threads that work in torch: they end before the interpreter does.

Python ends a thread that comes back from C++ while the interpreter is taken down, and one that is
ended inside torch takes the process with it ("terminate called without an active exception"). So
at the end of the process those that are at work are told to leave, and waited for.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

MOST_SECONDS = 30.0
"""How long the end of the process waits for a step that is being done."""

_leaving = threading.Event()
_at_work: dict[threading.Thread, Callable[[], None]] = {}


def start(work: Callable[[], None], name: str, wake: Callable[[], None]) -> None:
    """Have `work` done by a thread; `wake` has it look whether it is to leave, if it waits."""

    def done() -> None:
        try:
            work()
        finally:
            _at_work.pop(threading.current_thread(), None)

    thread = threading.Thread(target=done, name=name, daemon=True)
    _at_work[thread] = wake
    thread.start()


def leaving() -> bool:
    """Whether the process ends: then nothing new is begun."""
    return _leaving.is_set()


@atexit.register
def _leave() -> None:
    _leaving.set()
    for thread, wake in [*_at_work.items()]:
        wake()
        thread.join(MOST_SECONDS)
