"""Very many rows answered into a table: no object a row, and a row that cannot be fails alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from core.inference.calibration import MOST_ROWS
from core.inference.faults import as_error
from core.inference.halves import in_halves
from core.inference.loaded import NO_ANSWER, Loaded

if TYPE_CHECKING:
    from core.tasks.base import Rows


def rows_at_once(loaded: Loaded) -> int:
    """How many rows it answers quickest: as was measured, unless the task can do with more."""
    most = loaded.task.at_once
    return most if most > MOST_ROWS else loaded.rows


def answered(loaded: Loaded, rows: Rows) -> tuple[pa.Table, pa.Array]:
    """The answers, as `Task.tabulate` has them, and why there is none, text or null a row."""
    task = loaded.task

    def told(some: Rows) -> tuple[pa.Table, pa.Array]:
        loaded.use_threads(len(some))
        found = task.answers_in_bulk(loaded.found(task.encode(some, target=False)))
        return found, pa.nulls(len(found), pa.string())

    def alone(_: Rows, error: Exception) -> tuple[pa.Table, pa.Array]:
        return task.tabulate([None]), pa.array([str(as_error(error, NO_ANSWER))])

    tables, faults = zip(*in_halves(rows, told, alone, _part), strict=True)
    return pa.concat_tables(tables), pa.concat_arrays(faults)


def _part(rows: Rows, start: int, stop: int) -> Rows:
    if isinstance(rows, pa.Table | pa.RecordBatch):
        return rows.slice(start, stop - start)
    return rows[start:stop]
