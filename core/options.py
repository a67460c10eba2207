"""Options of models and tasks: named values with bounds, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from core.errors import LeptonError, UsageError, nearest, together

Value: TypeAlias = bool | int | float | str


def fraction(text: str) -> float:
    """A number that may be written in percent: 0.95, 95%.

    Raises:
        ValueError: it is none.
    """
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


@dataclass(frozen=True)
class Option:
    """An option: `least` and `most` bound a number, `choices` are all that a text may be (none: any
    text).

    With `auto` its default, 0 or "", means that the value is chosen from the rows.
    """

    name: str
    default: Value
    help: str
    least: float = 0
    most: float = 0
    choices: tuple[str, ...] = ()
    auto: bool = False
    multiple: int = 1
    """A whole number is a multiple of this."""

    def read(self, value: object, owner: str) -> Value:
        """The value in the option's type, from a value or from the text of a command line.

        Raises:
            UsageError: it cannot be.
        """
        kind = type(self.default)
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise TypeError
            read = kind(value)
            if isinstance(value, float) and read != value:
                raise ValueError
        except (TypeError, ValueError):
            raise self._refusal(value, owner) from None
        if not self._allows(read):
            raise self._refusal(value, owner)
        return read

    def _allows(self, read: Value) -> bool:
        if self.auto and read == self.default:
            return True
        if isinstance(read, str):
            return not self.choices or read in self.choices
        fits = self.multiple == 1 or read % self.multiple == 0
        return fits and self.least <= read <= self.most

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if isinstance(self.default, str):
            return "a text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if self.multiple > 1:
            kind = f"a multiple of {self.multiple}"
        allowed = f"{kind} from {self.least:g} to {self.most:g}"
        return allowed + (f", or {self.default} to choose it from the rows" if self.auto else "")

    def to_json(self) -> dict[str, Any]:
        """Its name, default, bounds or choices, and help."""
        return {**asdict(self), "allowed": self.allowed}

    def _refusal(self, value: object, owner: str) -> UsageError:
        return UsageError(
            f"{self.name}={value} cannot be: it is {self.allowed}", where=f"options of {owner}"
        )


def defaults_of(known: Sequence[Option]) -> dict[str, Value]:
    """All options at their defaults."""
    return {option.name: option.default for option in known}


def resolved(known: Sequence[Option], given: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """All options, the given ones checked, the others at their defaults.

    Raises:
        UsageError: unknown names, or values that cannot be; all of them at once.
    """
    by_name = {option.name: option for option in known}
    read: dict[str, Any] = {}
    mistakes: list[LeptonError] = []
    for name, value in given.items():
        try:
            if name not in by_name:
                hint = nearest(name, list(by_name))
                raise UsageError(f'{owner} has no option "{name}"', hint=hint)
            read[name] = by_name[name].read(value, owner)
        except UsageError as error:
            mistakes.append(error)
    if mistakes:
        raise together(mistakes)
    return {**defaults_of(known), **read}
