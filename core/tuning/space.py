"""What is searched: for each setting a range or a few values, as a person writes them.

`lr=1e-4..1e-1` is a range (by its logarithm where it spans two powers of ten or more; `:log` and
`:linear` say so), `batch_size=32,64` are values to choose from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from core.errors import UsageError
from core.models.architecture import Architecture
from core.options import Option
from core.training.config import TrainConfig

WIDE = 100.0
_LISTS = ("augment", "inputs")
"""Settings whose commas part what belongs together."""
_SIZES = ("width", "hidden", "embedding")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both among them; with `log` by their logarithm."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that stand for all when they are checked."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}{':log' if self.log else ':linear'}"


@dataclass(frozen=True)
class Choice:
    """A few values."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return ",".join(map(_word, self.values))


Space: TypeAlias = dict[str, Range | Choice]


def is_searched(key: str, value: object) -> bool:
    """Whether what was written for a setting is a range or several values."""
    return isinstance(value, str) and (".." in value or ("," in value and key not in _LISTS))


def read_space(written: Mapping[str, str]) -> Space:
    """Ranges and choices from what a person wrote.

    Raises:
        UsageError: one of them cannot be.
    """
    return {key: _read(key, text) for key, text in written.items()}


def _read(key: str, text: str) -> Range | Choice:
    if ".." not in text:
        values = tuple(dict.fromkeys(_value(word.strip()) for word in text.split(",")))
        if len(values) < 2 or "" in values:
            raise _cannot_be(key, text)
        return Choice(values)
    span, _, scale = text.partition(":")
    low, high = (_value(word.strip()) for word in span.split("..", 1))
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if (
        not numbers
        or "..." in span
        or scale not in ("", "log", "linear")
        or not low < high < math.inf
    ):
        raise _cannot_be(key, text)
    if scale == "log" and low <= 0:
        raise UsageError(f"{key}={text} cannot be: a logarithm begins above 0")
    wide = low > 0 and high / low >= WIDE
    return Range(low, high, log=scale == "log" or (not scale and wide))


def _cannot_be(key: str, text: str) -> UsageError:
    return UsageError(
        f"{key}={text} is nothing to search",
        hint="Write a range, such as 1e-4..1e-1 or 1..4:linear, or values, such as 32,64.",
    )


def _value(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(word, word)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def usual_space(architecture: Architecture, fixed: TrainConfig) -> Space:
    """What is searched when a person names nothing: what matters most of what they left open."""
    usual = usual_values(architecture)
    rate, size = float(usual["lr"]), int(usual["batch_size"])
    space: Space = {
        "lr": Range(rate / 10, rate * 10, log=True),
        "weight_decay": Range(1e-4, 0.3, log=True),
        "batch_size": Choice((max(1, size // 2), size, size * 2)),
    }
    for option in architecture.options:
        if (found := _of_option(option)) is not None:
            space[option.name] = found
    named = {name for name in ("lr", "batch_size") if getattr(fixed, name) is not None}
    named |= fixed.options.keys()
    if fixed.weight_decay != TrainConfig.weight_decay:
        named.add("weight_decay")
    return {name: each for name, each in space.items() if name not in named}


def _of_option(option: Option) -> Range | Choice | None:
    default = option.default
    if option.name == "dropout":
        return Range(0.0, 0.5)
    if option.name == "layers" and isinstance(default, int):
        return Range(max(1, int(option.least)), min(2 * default + 1, int(option.most)))
    if option.name in _SIZES and isinstance(default, int):
        sizes = (default // 2, default, default * 2)
        return Choice(tuple(size for size in sizes if option.least <= size <= option.most))
    return None


def usual_values(architecture: Architecture) -> dict[str, Any]:
    """What a training takes that nobody tunes: the first trial has it, so that no search ends
    worse."""
    suggested = architecture.suggested
    return {
        **architecture.defaults,
        "lr": suggested["lr"],
        "batch_size": int(suggested["batch_size"]),
        "weight_decay": TrainConfig.weight_decay,
    }
