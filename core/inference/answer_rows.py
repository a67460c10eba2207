"""Answers as the rows of a table, beside what was asked; without torch, for whoever writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.tasks.base import Task

ERROR = "error"


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
    answers = [(free_name(name, taken), column) for name, column in answers]
    fault = (free_name(ERROR, taken), errors)
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


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is among those `taken`, to which it is added.

    DuckDB takes names for one that differ in their letters' case alone.
    """
    lowered = {each.lower() for each in taken}
    number, free = 1, name
    while free.lower() in lowered:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
