"""What a step of a recipe is: a frozen dataclass whose fields are its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from core.errors import UsageError, nearest

if TYPE_CHECKING:
    from core.data.cleaning.sheet import Sheet

Scalar = str | int | float | bool
Learned = dict[str, Any]
"""What a step learned from rows, in JSON's own types, so that it can be kept with a version."""


def setting(help: str, default: Any = dataclasses.MISSING) -> Any:
    """A field of a step, with the words that explain it."""
    metadata = {"help": help}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Step:
    """One step. A field whose name is a word of Python's ends in `_`; the setting does not."""

    do: ClassVar[str]
    help: ClassVar[str]
    typed_sql: ClassVar[bool] = False
    """Whether a person's SQL is in it, so that it has to run behind a lock."""

    def check(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            UsageError: they do not.
        """

    def learn(self, sheet: Sheet) -> Learned:
        """What has to be known of the rows before they can be changed."""
        return {}

    def run(self, sheet: Sheet, learned: Learned) -> None:
        """Change the sheet, and say in `sheet.did` what was done."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The settings that are not at their defaults, as a recipe's file names them."""
        found: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            default = each.default
            if each.default_factory is not dataclasses.MISSING:
                default = each.default_factory()
            if value != default:
                found[_key(each.name)] = list(value) if isinstance(value, tuple) else value
        return found

    def to_json(self) -> dict[str, Any]:
        return {"do": self.do, **self.settings()}


@dataclass(frozen=True)
class Setting:
    """What a screen needs to ask for one setting: its kind, its choices and its default.

    `kind` is "text", "number", "whole number", "yes or no", "columns", "column", "list", "table"
    or "choice".
    """

    key: str
    kind: str
    help: str
    required: bool
    default: Any
    choices: tuple[str, ...] = ()


def settings_of(step: type[Step]) -> list[Setting]:
    """The settings that a step takes, in their order."""
    hints = get_type_hints(step)
    found: list[Setting] = []
    for each in dataclasses.fields(step):
        default = each.default
        if each.default_factory is not dataclasses.MISSING:
            default = each.default_factory()
        required = default is dataclasses.MISSING
        kind, choices = _kind(each.name, hints[each.name])
        shown = None if required else list(default) if isinstance(default, tuple) else default
        found.append(
            Setting(_key(each.name), kind, each.metadata["help"], required, shown, choices)
        )
    return found


def build(step: type[Step], given: Mapping[str, Any], where: str) -> Step:
    """A step from its settings.

    Raises:
        UsageError: a setting is unknown, missing, or of another kind; `where` says in which step.
    """
    known = {setting.key: setting for setting in settings_of(step)}
    hints = {_key(name): hint for name, hint in get_type_hints(step).items()}
    names = {_key(each.name): each.name for each in dataclasses.fields(step)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise UsageError(f'{where}: no setting "{key}"', hint=nearest(key, known))
        values[names[key]] = _convert(value, hints[key], f'{where}: "{key}"')
    for key, each in known.items():
        if each.required and key not in given:
            raise UsageError(f'{where}: "{key}" is missing', hint=f"{each.help}.")
    made = step(**values)
    try:
        made.check()
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", hint=error.hint) from error
    return made


def from_words(step: type[Step], words: Mapping[str, str]) -> dict[str, Any]:
    """Settings from the words of a command line, each turned into its kind."""
    hints = {_key(name): hint for name, hint in get_type_hints(step).items()}
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
