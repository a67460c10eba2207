"""Ctrl-C while a query runs: Python hears of it only between its own steps, not inside DuckDB."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def interruptible(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Do the work in a thread; Ctrl-C calls `interrupt` and waits until the work has ended.

    To be called from the main thread, where Python hears of signals.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    # Of all that can be waited for, a handler may put into this in the midst of its own `get`.
    heard: SimpleQueue[None] = SimpleQueue()
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        heard.put(None)

    before = signal.signal(signal.SIGINT, ask)
    try:
        with ThreadPoolExecutor(1) as pool:
            doing = pool.submit(work)
            doing.add_done_callback(lambda _: heard.put(None))
            heard.get()
            # An interrupt that comes between two queries is lost, so it is repeated.
            while not doing.done():
                interrupt()
                wait([doing], 0.1)
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
    return doing.result()
