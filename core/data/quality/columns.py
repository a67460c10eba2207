"""Columns by themselves: what is missing, constant, unique in every row, or far from the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from core.data.cleaning.cells import finite, valid
from core.data.lake.version import Column
from core.data.lake.view import SPLIT, View, quoted
from core.data.profile import is_number
from core.data.quality.finding import Finding, examples_of

NEARLY = 0.95
# An estimate of how many values there are may be that far off; beyond it they are counted.
ROUGHLY = 0.75
FEW = 20


def check_columns(view: View, target: str | None) -> Iterator[Finding]:
    """Missing values, constants, row numbers in disguise and outliers, from one scan."""
    rows = view.version.rows
    columns = [c for c in view.version.columns if c.name not in (SPLIT, target)]
    if any(column.media for column in columns):
        # The path of an image file is meant to be another in each row.
        columns = [column for column in columns if column.name != "path"]
    if not columns:
        return
    wanted: list[str] = []
    for column in columns:
        name = quoted(column.name)
        distinct = "NULL" if column.media else f"approx_count_distinct({name})"
        quartiles = (
            f"quantile_cont({finite(column)}, [0.25, 0.75])" if is_number(column) else "NULL"
        )
        spaced = f"avg(contains({name}, ' ')::INT)" if column.type == "VARCHAR" else "NULL"
        wanted += [f"count({valid(column)})", distinct, quartiles, spaced]
    row = view.aggregates(wanted)
    for i, column in enumerate(columns):
        filled, distinct_count, quartiles, spaced = row[4 * i : 4 * i + 4]
        if filled < rows:
            yield _missing(view, column, rows - filled, spaced)
        if distinct_count is None or not filled:
            continue
        if distinct_count <= 2 and rows > 1 and _distinct(view, column) == 1:
            yield Finding(
                "warning",
                "constant",
                column.name,
                filled,
                what="all values are the same",
                hint="The column tells a model nothing; leave it out of the inputs.",
                mend={"do": "drop-columns", "columns": [column.name]},
                condition=f"{valid(column)} IS NOT NULL",
            )
        if rows >= FEW and distinct_count > ROUGHLY * filled and _names_rows(column, spaced):
            yield from _unique(view, column, filled)
        if quartiles and distinct_count > 10:
            yield from _outliers(view, column, quartiles)


def _missing(view: View, column: Column, missing: int, spaced: float | None) -> Finding:
    rows = view.version.rows
    share = missing / rows
    empty = f"{valid(column)} IS NULL"
    whole = missing == rows
    mend: dict[str, Any] = {"do": "drop-rows", "columns": [column.name]}
    if whole:
        mend = {"do": "drop-columns", "columns": [column.name]}
    elif is_number(column):
        mend = {"do": "fill", "columns": [column.name], "with": "median"}
    elif column.type == "BOOLEAN" or (spaced is not None and spaced < 0.5):
        mend = {"do": "fill", "columns": [column.name], "with": "mode"}
    return Finding(
        "error" if whole else "warning" if share > 0.05 else "info",
        "missing",
        column.name,
        missing,
        "the whole column is missing" if whole else f"{share:.1%} of the values are missing",
        "Leave the column out of the inputs."
        if whole
        else "Fill or drop them; a model over tables fills a gap with the median.",
        examples_of(view, empty),
        mend,
        empty,
    )


def _distinct(view: View, column: Column) -> int:
    return int(view.sql(f"SELECT count(DISTINCT {valid(column)}) FROM rows")[0][0])


def _names_rows(column: Column, spaced: float | None) -> bool:
    """Whole numbers or single words, as names and numbers of rows are."""
    one_word = spaced is not None and spaced < 0.1
    return one_word or (is_number(column) and column.type not in ("FLOAT", "DOUBLE"))


def _unique(view: View, column: Column, filled: int) -> Iterator[Finding]:
    distinct = _distinct(view, column)
    if distinct < NEARLY * filled:
        return
    name, rows = quoted(column.name), view.version.rows
    every = distinct == rows
    again = f"{name} IN (SELECT {name} FROM rows GROUP BY 1 HAVING count(*) > 1)"
    yield Finding(
        "warning",
        "id-like" if every else "nearly-unique",
        column.name,
        rows if every else filled,
        what="every row has another value, as a row number or a name has"
        if every
        else f"{distinct:,} of {filled:,} values are different, as names of rows are",
        hint="Leave it out of the inputs, for a model can only learn it by heart."
        + ("" if every else " If it names the rows, look at those that share a value."),
        examples=() if every else examples_of(view, again),
        mend={"do": "drop-columns", "columns": [column.name]},
        condition="true" if every else f"{name} IS NOT NULL",
    )


def _outliers(view: View, column: Column, quartiles: Sequence[float]) -> Iterator[Finding]:
    low, high = quartiles
    reach = 1.5 * (high - low)
    if not 0 < reach < math.inf:
        return
    limits = low - reach, high + reach
    number = f"CAST({quoted(column.name)} AS DOUBLE)"
    outside = (
        f"{valid(column)} IS NOT NULL AND {number} NOT BETWEEN {limits[0]!r} AND {limits[1]!r}"
    )
    (count,) = view.sql(f"SELECT count(*) FROM rows WHERE {outside}")[0]
    if count:
        yield Finding(
            "info",
            "outliers",
            column.name,
            count,
            what=f"{count:,} value{' lies' if count == 1 else 's lie'} outside {limits[0]:g} to"
            f" {limits[1]:g}, 1.5 times the spread of the middle half",
            hint="Look at these rows: are the values real, or slips of the pen?",
            examples=examples_of(view, outside),
            mend={"do": "clip-outliers", "columns": [column.name]},
            condition=outside,
        )
