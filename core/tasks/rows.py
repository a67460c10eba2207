"""Rows as a task meets them: Arrow batches from the lake, or mappings that a person gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.view import ROW_ID, SPLIT, View, quoted
from core.errors import UsageError, nearest
from core.opening import bytes_in

if TYPE_CHECKING:
    import numpy as np

    from core.tasks.base import Rows


PATH = "path"
"""The column by which an error names a row, where the source gave its rows one."""


def column(rows: Rows, name: str) -> Any:
    """One column: an Arrow array, or a list of values when the rows are mappings.

    A mapping that lacks the key gives None where another one has it.

    Raises:
        UsageError: no row has the column.
    """
    if isinstance(rows, Sequence):
        if rows and not any(name in row for row in rows):
            raise _missing(name, {key for row in rows for key in row})
        return [row.get(name) for row in rows]
    if name not in rows.schema.names:
        raise _missing(name, rows.schema.names)
    return rows.column(name)


def values(rows: Rows, name: str) -> list[Any]:
    """One column as Python values.

    Raises:
        UsageError: no row has the column.
    """
    found = column(rows, name)
    return found if isinstance(found, list) else list(found.to_pylist())


def take(found: Any, kept: np.ndarray[Any, Any]) -> Any:
    """The entries of a column at positions, int64 [n]."""
    return [found[at] for at in kept] if isinstance(found, list) else found.take(kept)


def media_row(given: object, column: str, what: str) -> dict[str, Any]:
    """A row from the bytes of `what`, an image or a sound, or the path of its file, alone or in its
    column.

    Paths are read: give it only what the person at this machine named.

    Raises:
        UsageError: the file cannot be opened.
    """
    row = dict(given) if isinstance(given, Mapping) else {column: given}
    content = row.get(column)
    if isinstance(content, str | Path):
        try:
            row = {**row, PATH: str(content), column: bytes_in(Path(content))}
        except OSError as error:
            raise UsageError(
                f"the {what} cannot be opened: {error.strerror}", where=str(content)
            ) from None
    return row


def with_place(columns: Sequence[str], view: View) -> list[str]:
    """The columns, and the one by which `place` names a row, if the version has it."""
    named = [PATH] if PATH in view.version.column_names else []
    return [*dict.fromkeys((*columns, *named))]


def place(rows: Rows, at: int) -> str:
    """How a person finds the row at a position: its path, its row id, or its number from 1."""
    for name in (PATH, ROW_ID):
        try:
            found = column(rows, name)[at]
        except UsageError:
            continue
        value = found.as_py() if hasattr(found, "as_py") else found
        if value is not None:
            return str(value) if name == PATH else f"row {value}"
    return f"row {at + 1}"


def label_order(text: str) -> tuple[int, float, str]:
    """Sorting key: numbers by size, then texts."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def condition(view: View, split: str | None) -> tuple[str, list[Any]]:
    """An SQL condition for one split (or for all rows) and its parameters.

    Raises:
        UsageError: the data set has not been split.
    """
    if split is None:
        return "true", []
    if SPLIT not in view.version.column_names:
        raise UsageError(
            f"{view.version.ref} has not been split",
            hint=f"Split it first: lepton data split {view.version.dataset}.",
        )
    return f"{quoted(SPLIT)} = ?", [split]


def skipped_note(target: str, rows: int) -> list[str]:
    """A note that rows without a target are left out, if there are any."""
    if not rows:
        return []
    return [f"{rows} row{'s have' if rows > 1 else ' has'} no {target} and will be left out"]


def _missing(name: str, there: Any) -> UsageError:
    names = [each for each in map(str, there) if each not in (ROW_ID, SPLIT, PATH)]
    return UsageError(f'the column "{name}" is missing', hint=nearest(name, names))
