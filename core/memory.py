"""How much memory the work may take: what a person set, or a share of what this machine has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from core.errors import UsageError

VARIABLE = "LEPTON_MEMORY"
SHARE = 0.6
"""Of the machine's memory, when nobody set a limit: the app and a run may work side by side."""
LEAST = 100_000_000
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?)B|%)", re.IGNORECASE)
_HINT = "Write an amount such as 8GB or 500MB, or a share of the machine's memory such as 50%."


def limit() -> int:
    """The bytes that one process may fill with rows, arrays and intermediate results.

    `LEPTON_MEMORY` sets it. It bounds what grows with the data; the libraries themselves (torch
    takes 300 MB) come on top.

    Raises:
        UsageError: `LEPTON_MEMORY` is no amount of memory, or too little to work with.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return int(there() * SHARE)
    try:
        found = parse(given)
    except ValueError:
        raise UsageError(f'{VARIABLE}="{given}" is no amount of memory', hint=_HINT) from None
    if found < LEAST:
        raise UsageError(f"{VARIABLE}={given} is too little: {LEAST // 10**6}MB is the least")
    return found


def parse(text: str) -> int:
    """Bytes of an amount as a person writes it: 8GB (10^9), 8GiB (2^30), or 50% of what there is.

    Raises:
        ValueError: it is no amount.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    number, unit, binary = found.groups()
    if unit is None:
        if not 0 < float(number) <= 100:
            raise ValueError(text)
        return int(there() * float(number) / 100)
    return int(float(number) * (1024 if binary else 1000) ** ("KMGT".index(unit.upper()) + 1))


@lru_cache(maxsize=1)
def there() -> int:
    """The machine's memory in bytes, or what a container or a job of this process may have of it.

    Containers show the whole machine's memory to those who ask the system; the limit stands in
    the control groups.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits()])


def _group_limits(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[int]:
    """Limits of this process's control group and of those around it, of both versions."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            top, name = root, "memory.max"
        elif "memory" in kinds.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        inner = top / path.lstrip("/")
        # Inside a container the group's path may be one that only the host can see.
        for folder in (inner, *inner.parents):
            if not folder.is_relative_to(top):
                break
            try:
                yield int((folder / name).read_text())
            except (OSError, ValueError):
                continue
