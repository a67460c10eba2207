"""TOML that people write and read: files of it with what is wrong told, and lines of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import UsageError


def read(path: Path, what: str, *, hint: str = "") -> dict[str, Any]:
    """What is in a file; `what` that is, such as "the rules", begins the words of an error.

    Raises:
        UsageError: it is not there, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{what} cannot be read: {reason}", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        wrong = f"{what} cannot be read: it is no text in UTF-8"
        raise UsageError(wrong, where=str(path), hint=hint) from error
    except tomllib.TOMLDecodeError as error:
        wrong = f"{what} cannot be read: it is not TOML ({error})"
        raise UsageError(wrong, where=str(path)) from error


def lines(table: Mapping[str, Any]) -> str:
    """A table's keys, a line each; tables in it stand in braces. What is None is left out."""
    known = ((key, value) for key, value in table.items() if value is not None)
    return "\n".join(f"{_key(key)} = {_value(value)}" for key, value in known)


def _key(key: str) -> str:
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inner = (f"{_value(str(k))} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings are TOML's, but for one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
