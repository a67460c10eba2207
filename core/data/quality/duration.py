"""Lengths of time as a person writes and reads them."""

from __future__ import annotations

import math
import re

from core.errors import UsageError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def seconds_of(text: str) -> float:
    """`"90s"`, `"15m"`, `"1h"`, `"1d"`, `"2w"` in seconds.

    Raises:
        UsageError: it is no such length of time, or none at all.
    """
    found = DURATION.fullmatch(text.strip())
    length = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not 0 < length < math.inf:
        raise UsageError(
            f'"{text}" is no length of time', hint="Write it as 90s, 15m, 1h, 1d or 2w."
        )
    return length


def rounded(seconds: float) -> str:
    """`3 days`, `5 hours`: in the largest unit of which there are two."""
    for unit, word in (("d", "day"), ("h", "hour"), ("m", "minute")):
        if seconds >= 2 * SECONDS[unit]:
            return f"{seconds / SECONDS[unit]:.0f} {word}s"
    return f"{seconds:.0f} seconds"
