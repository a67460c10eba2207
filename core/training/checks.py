"""What the value of a setting may be: each check gives it in its type, or says what it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from core.augmentation.written import read
from core.models.hub.base import placed

MOST = 2**31 - 1
AUTO = "auto"
DEVICE = re.compile(r"auto|cpu|(cuda|mps|xpu|xla)(:\d+)?")
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")

Check: TypeAlias = Callable[[Any], Any]
"""Raises ValueError with the words after "must be"."""


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a name")
    return value


def model(value: Any) -> str:
    return placed(text(value))


def device(value: Any) -> str:
    # Whether this machine has it is known to torch alone, in the run's own process.
    if not isinstance(value, str) or not DEVICE.fullmatch(value):
        raise ValueError("auto, cpu, cuda, cuda:1 or mps")
    return value


def address(value: Any) -> str:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError("an address and a port, such as 10.0.0.1:29500")
    return str(value)


def texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    names = list(value) if isinstance(value, list | tuple) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("a list of column names")
    return tuple(names)


def augmentations(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError("a list of augmentations, such as flip,rotate=15")
    return tuple(each.word for each in read(words))


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - gathered with the others
    return value


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a table of names and values")
    return dict(value)


def duration(value: Any) -> float:
    """Seconds, from a number of them or from 90s, 30m, 1h30m."""
    if isinstance(value, str) and value and (found := _TIME.fullmatch(value.replace(" ", ""))):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        value = 3600 * hours + 60 * minutes + seconds
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("a time such as 90s, 30m or 1h30m")
    return float(value)


def whole(least: int, most: int = MOST) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return check


def number(least: float, most: float = math.inf, *, above: bool = False) -> Check:
    def check(value: Any) -> float:
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or not least <= value <= most:
            raise ValueError(_range(least, most, above))
        if above and value == least:
            raise ValueError(_range(least, most, above))
        return float(value)

    return check


def one_of(*names: str) -> Check:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return str(value)

    return check


def maybe(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def or_auto(check: Check) -> Check:
    """A value, or "auto": it is found out when the run starts."""

    def either(value: Any) -> Any:
        if value == AUTO:
            return AUTO
        try:
            return check(value)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from None

    return either


def _range(least: float, most: float, above: bool) -> str:
    if math.isfinite(most):
        return f"a number from {least:g} to {most:g}"
    return f"a number {'above' if above else 'from'} {least:g}{'' if above else ' up'}"
