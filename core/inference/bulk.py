"""Very many rows answered into a table: no object a row, and a row that cannot be fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import torch

from core.inference.calibration import MOST_ROWS
from core.inference.loaded import Loaded, as_error

if TYPE_CHECKING:
    from core.tasks.base import Rows


def rows_at_once(loaded: Loaded) -> int:
    """How many rows it answers quickest: as was measured, unless the task can do with more."""
    most = loaded.task.at_once
    return most if most > MOST_ROWS else loaded.rows


def answered(loaded: Loaded, rows: Rows) -> tuple[pa.Table, pa.Array]:
    """The answers, as `Task.tabulate` has them, and why there is none, text or null a row.

    When they fail, halves of them are tried, as `Loaded.answer` does.
    """
    task, known = loaded.task, loaded.calibration
    torch.set_num_threads(loaded.threads or (known.threads(len(rows)) if known else 1))
    try:
        told = task.answers_in_bulk(loaded.found(task.encode(rows, target=False)))
    except Exception as error:
        if len(rows) == 1:
            return task.tabulate([None]), pa.array([str(as_error(error))])
        half = len(rows) // 2
        parts = [answered(loaded, part) for part in (_part(rows, 0, half), _part(rows, half, None))]
        tables, faults = zip(*parts, strict=True)
        return pa.concat_tables(tables), pa.concat_arrays(faults)
    return told, pa.nulls(len(told), pa.string())


def _part(rows: Rows, start: int, stop: int | None) -> Rows:
    if isinstance(rows, pa.Table | pa.RecordBatch):
        return rows.slice(start, None if stop is None else stop - start)
    return cast("Sequence[Any]", rows)[start:stop]
