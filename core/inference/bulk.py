"""Very many rows answered into a table: no object a row, and a row that cannot be fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from core.inference.calibration import MOST_ROWS
from core.inference.loaded import Loaded, as_error
from core.tasks.base import Task

if TYPE_CHECKING:
    from core.tasks.base import Rows

ERROR = "error"


def rows_at_once(loaded: Loaded) -> int:
    """How many rows it answers quickest: as was measured, unless the task can do with more."""
    most = loaded.task.at_once
    return most if most > MOST_ROWS else loaded.rows


def answered(loaded: Loaded, rows: Rows) -> tuple[pa.Table, pa.Array]:
    """The answers, as `Task.tabulate` has them, and why there is none, text or null a row.

    When they fail, halves of them are tried, as `Loaded.answer` does.
    """
    task, known = loaded.task, loaded.calibration
    torch.set_num_threads(loaded.threads or (known.threads if known else 1))
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


def together(task: Task, told: pa.Table, beside: pa.Table, faults: pa.Array) -> pa.Table:
    """One table: the answers, what stands beside them, and last the `error` of each.

    The answers come first, behind the row's id, where a person sees them in a narrow terminal. A
    name that is there twice has a number behind it the second time. Where rows are answered
    together there is a row for each entry of an answer's lists, and one for an answer there is not.
    """
    columns = list(zip(beside.column_names, beside.columns, strict=True))
    answers = list(zip(told.column_names, told.columns, strict=True))
    errors = pa.chunked_array([faults])
    ahead = 1
    if task.gathers:
        at, answers = _unrolled(answers)
        columns = [(name, column.take(at)) for name, column in columns]
        errors = errors.take(at)
        ahead = len(columns)
    taken = set(beside.column_names)
    answers = [(_free(name, taken), column) for name, column in answers]
    fault = (_free(ERROR, taken), errors)
    return pa.table(dict([*columns[:ahead], *answers, *columns[ahead:], fault]))


def _unrolled(
    answers: Sequence[tuple[str, pa.ChunkedArray]],
) -> tuple[pa.Array, list[tuple[str, pa.ChunkedArray]]]:
    """Which answer each entry is of, and the entries; a null where there is no answer."""
    lengths = pc.fill_null(pc.list_value_length(answers[0][1]), 0).to_numpy()
    rows = np.maximum(lengths, 1)
    at = np.repeat(np.arange(len(rows)), rows)
    step = np.arange(len(at)) - np.repeat(np.cumsum(rows) - rows, rows)
    entry = np.repeat(np.cumsum(lengths) - lengths, rows) + step
    index = pa.array(entry, mask=np.repeat(lengths == 0, rows))
    return pa.array(at), [(name, pc.list_flatten(each).take(index)) for name, each in answers]


def _part(rows: Rows, start: int, stop: int | None) -> Rows:
    if isinstance(rows, pa.Table | pa.RecordBatch):
        return rows.slice(start, None if stop is None else stop - start)
    return cast("Sequence[Any]", rows)[start:stop]


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
