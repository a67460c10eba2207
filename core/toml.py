"""Writing TOML: tomllib only reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


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
