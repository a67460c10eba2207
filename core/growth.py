"""A bound on how much this process may grow while it does what cannot bound itself.

A request beyond it fails in the process, where it can be told; without one the system would be out
of memory and end the process, or another.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TAKEN = Path("/proc/self/statm")
_DATA = 5
"""Which of its numbers are the pages of heap, mappings and stacks: what `RLIMIT_DATA` bounds."""
_UNBOUNDED = resource.getrlimit(resource.RLIMIT_DATA)
_lock = threading.Lock()
_bounds: list[int] = []


@contextmanager
def growth_bounded(most: int) -> Iterator[None]:
    """Let the process take so many bytes more than it has; of several bounds the widest holds.

    Where the system does not tell what it has, nothing is bounded.
    """
    try:
        taken = int(_TAKEN.read_text().split()[_DATA]) * resource.getpagesize()
    except OSError:
        yield
        return
    bound = taken + most
    with _lock:
        _bounds.append(bound)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _bounds.remove(bound)
            _apply()


def spare(pid: int) -> None:
    """Take the bound off a process that was started from here: it is none of its work."""
    if _TAKEN.exists():
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, _UNBOUNDED)


def _apply() -> None:
    soft, hard = _UNBOUNDED
    if _bounds:
        widest = max(_bounds)
        soft = widest if soft == resource.RLIM_INFINITY else min(soft, widest)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
