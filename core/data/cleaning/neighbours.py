"""Filling what is missing with the mean of the rows that are nearest in the other numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.data.cleaning.cells import finite, valid
from core.data.cleaning.sheet import HIDDEN, Sheet
from core.data.lake.version import FRACTIONS, Column
from core.data.lake.view import ROW_ID, SPLIT
from core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

# Neighbours are looked for among so many rows at most.
REFERENCE = 10_000
# Distances held at once: 32 MB of them.
DISTANCES = 4_000_000


def fill_from_neighbours(sheet: Sheet, columns: Sequence[Column], k: int, source: str) -> None:
    """Fill cells of `columns` with the mean of the `k` nearest rows that have one.

    Near is meant in all columns of numbers but the target, each in units of its spread; columns
    that one of the two rows lacks are left out of their distance, as scikit-learn's KNNImputer
    does. Neighbours come from up to 10,000 rows, the same ones each time. Memory is bounded.
    """
    import numpy as np
    import pyarrow as pa

    every = list({c.name: c for c in (*sheet.numbers(()), *columns)}.values())
    if len(every) < 2:
        raise UsageError(
            "neighbours need another column of numbers", hint='Fill with = "median" instead.'
        )
    part = sheet.part(source)
    spread = sheet.ask(
        {
            f"{column.name} {name}": f"{function}({finite(column)}){part}"
            for column in every
            for name, function in (("mean", "avg"), ("std", "stddev_pop"))
        }
    )
    mean = np.array([spread[f"{c.name} mean"] or 0.0 for c in every])
    std = np.array([spread[f"{c.name} std"] or 1.0 for c in every])
    cells = ", ".join(finite(column) for column in every)
    wanted = " OR ".join(f"{valid(column)} IS NULL" for column in columns)

    with sheet.beside() as beside:
        chosen = f" AND {SPLIT} = 'train'" if source == "train" else ""
        some = " OR ".join(f"{valid(column)} IS NOT NULL" for column in columns)
        table = beside.sql(
            f"SELECT {cells} FROM (SELECT * FROM {sheet.relation} WHERE ({some}){chosen}"
            f" ORDER BY hash({ROW_ID}), {ROW_ID} LIMIT {REFERENCE})"
        ).to_arrow_table()
        reference = _matrix(table.columns)
    donors = [reference[:, every.index(column)] for column in columns]
    scaled = (reference - mean) / std
    heads = {HIDDEN + "id": "BIGINT"} | {f"{HIDDEN}{i}": "DOUBLE" for i in range(len(columns))}
    made = sheet.values(heads, [])
    filled = 0
    with sheet.beside() as beside:
        scan = beside.sql(f"SELECT {ROW_ID}, {cells} FROM {sheet.relation} WHERE {wanted}")
        for batch in scan.to_arrow_reader(16_384):
            sheet.stop_if_asked()
            ids = batch.column(0).to_numpy()
            rows = (_matrix(batch.columns[1:]) - mean) / std
            answer = np.full((len(ids), len(columns)), np.nan)
            for at in _chunks(len(ids), len(scaled)):
                distance = _distances(rows[at], scaled)
                for i, (column, known) in enumerate(zip(columns, donors, strict=True)):
                    gap = np.isnan(rows[at][:, every.index(column)])
                    found = _nearest_mean(distance[gap], known, k)
                    answer[np.flatnonzero(gap) + at.start, i] = found
            filled += int(np.isfinite(answer).sum())
            arrived = pa.table(
                [ids, *(pa.array(each, from_pandas=True) for each in answer.T)], names=list(heads)
            )
            sheet.connection.register(HIDDEN + "batch", arrived)
            sheet.connection.execute(f"INSERT INTO {made} SELECT * FROM {HIDDEN}batch")
            sheet.connection.unregister(HIDDEN + "batch")
    sheet.did["cells filled"] = filled
    sheet.did["rows to find neighbours in"] = len(scaled)
    if filled:
        cast = {
            c.name: f"CAST(round(g.{HIDDEN}{i}) AS {c.type})"
            if c.type not in FRACTIONS
            else f"CAST(g.{HIDDEN}{i} AS {c.type})"
            for i, c in enumerate(columns)
        }
        sheet.change(
            {c.name: f"coalesce({valid(c)}, {cast[c.name]})" for c in columns},
            join=f" LEFT JOIN {made} g ON r.{ROW_ID} = g.{HIDDEN}id",
        )


def _matrix(columns: Sequence[object]) -> Matrix:
    """Arrow columns as (rows, columns), with NaN for what is missing."""
    import numpy as np

    listed = [column.to_numpy(zero_copy_only=False) for column in columns]  # type: ignore[attr-defined]
    return np.stack([np.asarray(each, np.float64) for each in listed], axis=1)


def _chunks(rows: int, reference: int) -> Iterator[slice]:
    step = max(1, DISTANCES // max(reference, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _distances(rows: Matrix, reference: Matrix) -> Matrix:
    """Squared distances over what both have, as if they had all; infinite if they have none."""
    import numpy as np

    here, there = ~np.isnan(rows), ~np.isnan(reference)
    a, b = np.where(here, rows, 0.0), np.where(there, reference, 0.0)
    m, n = here.astype(np.float64), there.astype(np.float64)
    square = (a * a) @ n.T + m @ (b * b).T - 2.0 * (a @ b.T)
    shared = m @ n.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shared > 0, np.maximum(square, 0.0) * rows.shape[1] / shared, np.inf)


def _nearest_mean(distance: Matrix, known: Matrix, k: int) -> Matrix:
    """The mean of `known` over the k nearest that have it; the mean of all where none is near."""
    import numpy as np

    has = ~np.isnan(known)
    if not has.any() or not len(distance):
        return np.full(len(distance), np.nan)
    distance, known = distance[:, has], known[has]
    k = min(k, len(known))
    nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
    close = np.isfinite(np.take_along_axis(distance, nearest, axis=1))
    count = close.sum(axis=1)
    total = np.where(close, known[nearest], 0.0).sum(axis=1)
    filled: Matrix = np.where(count > 0, total / np.maximum(count, 1), known.mean())
    return filled
