"""Settings as the fields of a frozen dataclass: explained, read from words or TOML, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from core.errors import UsageError, nearest, together

Scalar = str | int | float | bool
C = TypeVar("C", bound="Configured")


def setting(
    help: str,
    default: Any = dataclasses.MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A field, with the words that explain it; a number may have bounds, both of them."""
    metadata = {"help": help, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Configured:
    """A field whose name is a word of Python's ends in `_`; the setting does not."""

    def check(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            UsageError: they do not.
        """

    def settings(self) -> dict[str, Any]:
        """The settings that are not at their defaults, as a file names them."""
        found: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            default = each.default
            if each.default_factory is not dataclasses.MISSING:
                default = each.default_factory()
            if value != default:
                found[_key(each.name)] = list(value) if isinstance(value, tuple) else value
        return found


@dataclass(frozen=True)
class Setting:
    """What a screen needs to ask for one setting: its kind, its choices and its default.

    `kind` is "text", "number", "whole number", "yes or no", "columns", "column", "list", "table"
    or "choice". A number lies from `least` to `most` where they are known.
    """

    key: str
    kind: str
    help: str
    required: bool
    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    def bounded(self, value: Any, where: str) -> None:
        """Refuse a number that is out of bounds.

        Raises:
            UsageError: it is.
        """
        if self.least is None or self.most is None or self.least <= value <= self.most:
            return
        raise UsageError(
            f"{where} has to be a {self.kind} from {self.least:g} to {self.most:g}",
            hint=f'It is "{value}".',
        )


def settings_of(configured: type[Configured]) -> list[Setting]:
    """The settings that it takes, in their order."""
    hints = get_type_hints(configured)
    found: list[Setting] = []
    for each in dataclasses.fields(configured):
        default = each.default
        if each.default_factory is not dataclasses.MISSING:
            default = each.default_factory()
        required = default is dataclasses.MISSING
        kind, choices = _kind(each.name, hints[each.name])
        shown = None if required else list(default) if isinstance(default, tuple) else default
        about = each.metadata
        bounds = about["least"], about["most"]
        found.append(
            Setting(_key(each.name), kind, about["help"], required, shown, choices, *bounds)
        )
    return found


def build(configured: type[C], given: Mapping[str, Any], where: str) -> C:
    """One of that kind from its settings; all that is wrong with them is told in one error.

    Raises:
        UsageError: a setting is unknown, missing, out of bounds or of another kind; `where` says
            whose it is.
    """
    known = {setting.key: setting for setting in settings_of(configured)}
    hints = {_key(name): hint for name, hint in get_type_hints(configured).items()}
    names = {_key(each.name): each.name for each in dataclasses.fields(configured)}
    values: dict[str, Any] = {}
    mistakes: list[UsageError] = []
    for key, value in given.items():
        if key not in known:
            mistakes.append(UsageError(f'{where}: no setting "{key}"', hint=nearest(key, known)))
            continue
        try:
            values[names[key]] = _convert(value, hints[key], f'{where}: "{key}"')
            known[key].bounded(value, f'{where}: "{key}"')
        except UsageError as error:
            mistakes.append(error)
    for key, each in known.items():
        if each.required and key not in given:
            mistakes.append(UsageError(f'{where}: "{key}" is missing', hint=f"{each.help}."))
    if not mistakes:
        made = configured(**values)
        try:
            made.check()
        except UsageError as error:
            mistakes.append(UsageError(f"{where}: {error.what}", hint=error.hint))
        else:
            return made
    raise together(mistakes)


def from_words(configured: type[Configured], words: Mapping[str, str]) -> dict[str, Any]:
    """Settings from the words of a command line, each turned into its kind."""
    hints = {_key(name): hint for name, hint in get_type_hints(configured).items()}
    return {key: _read(text, hints[key]) if key in hints else text for key, text in words.items()}


def _key(name: str) -> str:
    return name.removesuffix("_").replace("_", "-") if name != "_" else name


def _plain(hint: Any) -> Any:
    """The type without its `None`."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else Scalar
    return hint


def _kind(name: str, hint: Any) -> tuple[str, tuple[str, ...]]:
    hint = _plain(hint)
    if get_origin(hint) is Literal:
        return "choice", get_args(hint)
    if get_origin(hint) is tuple:
        return ("columns" if name == "columns" else "list"), ()
    if get_origin(hint) is dict:
        return "table", ()
    if name in ("column", "by", "order"):
        return "column", ()
    kinds = {bool: "yes or no", int: "whole number", float: "number"}
    return kinds.get(hint, "text"), ()


def _convert(value: Any, hint: Any, where: str) -> Any:
    hint = _plain(hint)
    origin = get_origin(hint)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise UsageError(f'{where} cannot be "{value}"', hint=nearest(str(value), choices))
        return value
    if origin is tuple:
        listed = value if isinstance(value, list | tuple) else [value]
        item = get_args(hint)[0]
        return tuple(_convert(each, item, where) for each in listed)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} has to be a table", hint='Write it as {"old" = "new"}.')
        return {str(key): _convert(each, get_args(hint)[1], where) for key, each in value.items()}
    if hint == Scalar:
        # A date of TOML is written as its text is.
        return value if isinstance(value, str | int | float | bool) else _text(value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(f"{where} has to be {words[hint]}", hint=f'It is "{value}".')
    return value


def _text(value: Any, where: str) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise UsageError(f"{where} has to be one value", hint=f'It is "{value}".')


def _read(text: str, hint: Any) -> Any:
    hint = _plain(hint)
    origin = get_origin(hint)
    if origin is tuple:
        return [_read(part.strip(), get_args(hint)[0]) for part in text.split(",") if part.strip()]
    if origin is dict:
        pairs = [part.partition(":") for part in text.split(",") if part.strip()]
        return {key.strip(): _read(value.strip(), get_args(hint)[1]) for key, _, value in pairs}
    if hint is bool:
        return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)
    if hint is str or origin is Literal:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if hint == Scalar and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text
