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
_at_work: dict[threading.Thread, threading.Condition] = {}


def start(work: Callable[[], None], name: str, changed: threading.Condition) -> None:
    """Have `work` done by a thread that may wait for `changed`; whoever calls holds it."""

    def done() -> None:
        try:
            work()
        finally:
            _at_work.pop(threading.current_thread(), None)

    thread = threading.Thread(target=done, name=name, daemon=True)
    _at_work[thread] = changed
    thread.start()


def leaving() -> bool:
    """Whether the process ends: then nothing new is begun."""
    return _leaving.is_set()


@atexit.register
def _leave() -> None:
    _leaving.set()
    for thread, changed in [*_at_work.items()]:
        with changed:
            changed.notify_all()
        thread.join(MOST_SECONDS)
