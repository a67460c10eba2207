"""The rows of a version as the table fetches them: a page at a time, from a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from core.data.lake import Lake
from core.data.version import Version
from core.data.view import View
from core.workspace import Workspace
from screens.widgets.table_view import ColumnHead


class LakeRows:
    """A `RowSource` over one version. It opens its DuckDB when the first page is wanted."""

    def __init__(self, workspace: Workspace, version: Version) -> None:
        self.version = version
        self.columns: Sequence[ColumnHead] = [
            ColumnHead(column.name, column.media or column.type.lower())
            for column in version.columns
        ]
        self._lake = Lake(workspace)
        self._view: View | None = None
        self._lock = threading.Lock()

    def count(self) -> int:
        return self.version.rows

    def page(self, offset: int, limit: int) -> list[tuple[Any, ...]]:
        """Rows without their id, in the order of `columns`."""
        with self._lock:
            return [row[1:] for row in self._open().page(offset, limit)]

    def row(self, index: int) -> tuple[int, dict[str, Any]]:
        """One row whole: its id and its values by column."""
        with self._lock:
            (found,) = self._open().page(index, 1)
        return found[0], dict(zip(self.version.column_names, found[1:], strict=True))

    def _open(self) -> View:
        if self._view is None:
            self._view = self._lake.open(self.version)
        return self._view
