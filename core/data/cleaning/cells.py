"""SQL for single cells: what counts as missing, what can be learned from, a value as SQL."""

from __future__ import annotations

from typing import Any

from core.data.lake.layout import literal, quoted
from core.data.lake.version import FRACTIONS, Column

NAN = "'nan'::DOUBLE"


def valid(column: Column, name: str | None = None) -> str:
    """SQL for a cell, with NULL for what counts as missing: NaN does.

    `name` is what SQL calls the column, where that is not its own.
    """
    name = name or quoted(column.name)
    return f"nullif({name}, {NAN})" if column.type in FRACTIONS else name


def finite(column: Column, name: str | None = None) -> str:
    """SQL for a number to learn from, as DOUBLE; NULL where it is missing or endless."""
    name = f"CAST({name or quoted(column.name)} AS DOUBLE)"
    if column.type not in FRACTIONS:
        return name
    return f"CASE WHEN isfinite({name}) THEN {name} END"


def sql_value(value: Any, kind: str) -> str:
    """A learned or given value as SQL of a type."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if isinstance(value, bool):
        return f"CAST({str(value).lower()} AS {kind})"
    if isinstance(value, int | float):
        return f"CAST({literal(repr(value))} AS {kind})"
    return f"CAST({literal(str(value))} AS {kind})"
