"""The rows that a table shows, fetched a page at a time from a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.sql.selection import Selection
from core.workspace import Workspace
from screens.data.rows.look import Look
from screens.widgets.pages import ColumnHead


class LakeRows:
    """A `RowSource` over one version. It opens its DuckDB when the first page is wanted."""

    def __init__(self, workspace: Workspace, version: Version, look: Look | None = None) -> None:
        self.version = version
        self.look = look or Look()
        self.names = self.look.columns(version)
        kinds = {column.name: column.media or column.type.lower() for column in version.columns}
        self.columns: Sequence[ColumnHead] = [
            ColumnHead(name + self.look.mark(name), kinds[name]) for name in self.names
        ]
        self._lake = Lake(workspace)
        self._selection: Selection | None = None
        self._lock = threading.Lock()

    def count(self) -> int:
        """How many rows there are; they are looked for if they have to be.

        Raises:
            UsageError: the condition is none.
            LeptonError: the search takes too much memory.
            Cancelled: `interrupt` was called.
        """
        with self._lock:
            return self._open().find()

    def page(self, offset: int, limit: int, columns: range) -> list[tuple[Any, ...]]:
        """Rows without their id, in the order of `columns`."""
        names = self.names[columns.start : columns.stop]
        with self._lock:
            return [row[1:] for row in self._open().page(offset, limit, names)]

    def row(self, index: int) -> tuple[int, dict[str, Any]]:
        """One row whole, hidden columns too: its id and its values by column."""
        with self._lock:
            (found,) = self._open().page(index, 1)
        return found[0], dict(zip(self.version.column_names, found[1:], strict=True))

    def interrupt(self) -> None:
        """Give up a search that goes on in another thread."""
        if (selection := self._selection) is not None:
            selection.interrupt()

    def close(self) -> None:
        """Let go of the DuckDB; a later page opens it again."""
        self.interrupt()
        with self._lock:
            if self._selection is not None:
                self._selection.close()
                self._selection = None

    def _open(self) -> Selection:
        if self._selection is None:
            look = self.look
            self._selection = Selection(
                self._lake, self.version, look.condition, look.sort, ids=look.ids
            )
        return self._selection


class ListRows:
    """A `RowSource` over rows that are at hand."""

    def __init__(self, columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> None:
        self.columns: Sequence[ColumnHead] = [ColumnHead(name, kind) for name, kind in columns]
        self._rows = rows

    def count(self) -> int:
        return len(self._rows)

    def page(self, offset: int, limit: int, columns: range) -> Sequence[tuple[Any, ...]]:
        rows = self._rows[offset : offset + limit]
        return [row[columns.start : columns.stop] for row in rows]

    def row(self, index: int) -> dict[str, Any]:
        """One row by its columns, of which two may have the same name."""
        values: dict[str, Any] = {}
        for head, value in zip(self.columns, self._rows[index], strict=True):
            name = head.name
            values[name if name not in values else f"{name} ({len(values) + 1})"] = value
        return values
