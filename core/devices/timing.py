"""How long a call takes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable


def quickest(call: Callable[[], object], seconds: float) -> float:
    """Seconds of the quickest of the calls that fit into so many, of one at least: what slows one
    down is other work."""
    best = float("inf")
    end = (now := time.perf_counter()) + seconds
    while best == float("inf") or now < end:
        began = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - began)
    return best
