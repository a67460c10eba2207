"""Columns that tell the label: one of them alone predicts it on rows that were held out.

Kaufman, Rosset and Perlich, "Leakage in data mining", 2011: what is too good is looked at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.lake.version import Column, Version
from core.data.lake.view import ROW_ID, SPLIT, View, quoted
from core.data.profile import is_number
from core.data.quality.finding import Finding
from core.data.quality.many_labels import label_sql

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

SAMPLE = 50_000
FEWEST = 60
CLASSES = 1000
VALUES = 50
BINS = 128
# What the column gets wrong may be so small a part of what the commonest label gets wrong.
PART = 0.05
RIGHT = 0.98
SURE = 0.999


def check_told(view: View, target: str) -> Iterator[Finding]:
    """Columns by which the label can be told nearly always, by a rule for each value or bin.

    A column of few values says the label that is commonest with each of them; one of numbers is
    cut into 128 bins of equally many rows. The rule is made on half of the rows (of very many, of a
    sample) and tried on the other half, and held against the answer without any column: the
    commonest label, or for a target of numbers the mean. Columns that name the rows are passed by.
    """
    columns = _eligible(view.version, target)
    if not columns or view.version.rows < FEWEST:
        return
    names = ", ".join(quoted(column.name) for column in columns)
    every = -(-view.version.rows // SAMPLE)
    label = quoted(target)
    table = view.arrow(
        f"SELECT {ROW_ID} AS __id, hash({ROW_ID} + 1) % 2 = 0 AS __held,"
        f" {label_sql(view, target)}, {names} FROM rows"
        f" WHERE {label} IS NOT NULL AND hash({ROW_ID}) % {every} = 0"
    )
    # They nearly always come in order; to sort thousands of columns in SQL takes seconds.
    ids = table.column(0).to_numpy()
    if not bool(np.all(ids[1:] > ids[:-1])):
        table = table.take(np.argsort(ids))
    if table.num_rows < FEWEST:
        return
    held = table.column(1).to_numpy(zero_copy_only=False)
    truth = _truth(table.column(2), is_number(view.version.column(target)))
    if truth is None:
        return
    for at, column in enumerate(columns, 3):
        cells = _cells(table.column(at), is_number(column), held)
        right = None if cells is None else _right(cells, truth, held)
        if right is None:
            continue
        classes = truth.dtype == np.int64
        yield Finding(
            "error" if right >= SURE else "warning",
            "label-leak",
            column.name,
            view.version.rows,
            what=f'this column alone tells "{target}" of {right:.1%} of the rows held out'
            if classes
            else f'this column alone tells {right:.1%} of what differs in "{target}"',
            hint="If it is only known once the label is, leave it out: a model will lean on it.",
            mend={"do": "drop-columns", "columns": [column.name]},
            condition="true",
        )


def _eligible(version: Version, target: str) -> list[Column]:
    """The columns that a model may be shown."""
    columns = [
        column
        for column in version.columns
        if column.name not in (SPLIT, target) and not column.media and column.type != "BLOB"
    ]
    if version.inputs is None or target != version.target:
        return columns
    inputs = frozenset(version.inputs)
    return [column for column in columns if column.name in inputs]


def _truth(column: pa.ChunkedArray, number: bool) -> Array | None:
    """Labels as codes int64 [n], or a target of many numbers as float64 [n]."""
    codes, count = _codes(column)
    if number and count > VALUES:
        values = column.to_numpy().astype(np.float64)
        return values if bool(np.isfinite(values).all()) else None
    return codes if 2 <= count <= CLASSES else None


def _codes(column: pa.ChunkedArray) -> tuple[Array, int]:
    """A number for each value, a missing one's included, and how many values there are."""
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
    if hasattr(encoded, "chunks"):
        encoded = encoded.chunk(0)
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _cells(column: pa.ChunkedArray, number: bool, held: Array) -> Array | None:
    """The value or bin of each row as a code; None for a column that can tell nothing."""
    codes, count = _codes(column)
    if 2 <= count <= VALUES:
        return codes
    if not number:
        return None
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(values)
    if (known & ~held).sum() < FEWEST // 2:
        return None
    made = np.sort(values[known & ~held])
    bins = min(BINS, len(made) // 10)
    cuts = np.unique(made[np.arange(1, bins) * len(made) // bins])
    return np.where(known, np.searchsorted(cuts, values), len(cuts) + 1)


def _right(cells: Array, truth: Array, held: Array) -> float | None:
    """The share that the rule gets right on held-out rows, if that is too good to be true."""
    size = int(cells.max()) + 1
    if truth.dtype != np.int64:
        return _explained(cells, truth, held, size)
    classes = int(truth.max()) + 1
    pairs = cells[~held] * classes + truth[~held]
    counts = np.bincount(pairs, minlength=size * classes).reshape(size, classes)
    commonest = int(counts.sum(0).argmax())
    rule = np.where(counts.any(1), counts.argmax(1), commonest)
    right = float((rule[cells[held]] == truth[held]).mean())
    plain = float((truth[held] == commonest).mean())
    return right if right >= RIGHT and 1 - right <= PART * (1 - plain) else None


def _explained(cells: Array, truth: Array, held: Array, size: int) -> float | None:
    """R squared of the mean of each bin, on held-out rows."""
    count = np.bincount(cells[~held], minlength=size)
    total = np.bincount(cells[~held], truth[~held], minlength=size)
    mean = truth[~held].mean()
    rule = np.where(count > 0, total / np.maximum(count, 1), mean)
    left = float(((truth[held] - rule[cells[held]]) ** 2).sum())
    spread = float(((truth[held] - mean) ** 2).sum())
    explained = 1 - left / spread if spread else 0.0
    return explained if explained >= SURE - (1 - RIGHT) / 2 else None
