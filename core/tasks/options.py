"""Options of `Task.learn`: whole numbers, checked by name and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import UsageError, nearest

_MOST = 100_000


def whole_options(
    task: str, known: Mapping[str, int | str], given: Mapping[str, Any] | None
) -> dict[str, int]:
    """The options that are numbers: the given ones checked, the others at their defaults; 0 means:
    to be learnt. Those whose default is a text are left to the task.

    Raises:
        UsageError: an unknown name, or a value that is no whole number.
    """
    chosen = {name: default for name, default in known.items() if isinstance(default, int)}
    for name, value in (given or {}).items():
        if name not in known:
            raise UsageError(f'{task} has no option "{name}"', hint=nearest(name, known))
        if name not in chosen:
            continue
        try:
            chosen[name] = int(str(value))
        except ValueError:
            chosen[name] = -1
        if not 0 <= chosen[name] <= _MOST:
            raise UsageError(f"{name}={value} cannot be: it is a whole number from 0 to {_MOST}")
    return chosen
