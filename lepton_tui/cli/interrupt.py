"""Ctrl-C while a query runs: Python hears of it only between its own steps, not inside DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def interruptible(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """Do the work in a thread; Ctrl-C calls `interrupt` and waits until the work has ended.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        try:
            return doing.result()
        except KeyboardInterrupt:
            # An interrupt that comes between two queries is lost, so it is repeated.
            while not doing.done():
                interrupt()
                wait([doing], 0.1)
            raise
