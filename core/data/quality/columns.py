"""Columns by themselves: what is missing, constant, unique in every row, or far from the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from core.data.cleaning.cells import finite, valid
from core.data.lake.version import FRACTIONS, Column
from core.data.lake.view import ROW_ID, SPLIT, View, quoted
from core.data.profile import is_number
from core.data.profile.figures import of_one_type
from core.data.quality.finding import EXAMPLES, Finding, examples_of

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
    known: dict[str, dict[str, Any]] = {}
    for alike in of_one_type(columns):
        known |= view.of_each([column.name for column in alike], partial(_asked, alike[0]))
    limits = {name: reach for name, each in known.items() if (reach := _reach(each)) is not None}
    outliers = _outside(view, limits)
    named = [column for column in columns if _may_name_rows(column, known[column.name])]
    distinct: dict[str, dict[str, int]] = {}
    for alike in of_one_type(named):
        distinct |= view.of_each([column.name for column in alike], partial(_exactly, alike[0]))
    for column in columns:
        found = known[column.name]
        filled = found["filled"]
        if filled < rows:
            yield _missing(view, column, rows - filled, found)
        if found["distinct"] is None or not filled:
            continue
        if found["same"] and rows > 1:
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
        if column.name in distinct:
            yield from _unique(view, column, filled, distinct[column.name]["distinct"])
        if column.name in outliers:
            yield _outliers(column, limits[column.name], *outliers[column.name])


def _asked(column: Column, name: str) -> dict[str, str]:
    """What is asked of each column of this one's type, which SQL calls `name`."""
    cell = valid(column, name)
    number, text = is_number(column), column.type == "VARCHAR"
    quartiles = f"quantile_cont({finite(column, name)}, [0.25, 0.75])" if number else "NULL"
    return {
        "filled": f"count({cell})",
        "distinct": "NULL" if column.media else f"approx_count_distinct({name})",
        "same": "false" if column.media else f"coalesce(min({cell}) = max({cell}), false)",
        "quartiles": quartiles,
        "spaced": f"avg(contains({name}, ' ')::INT)" if text else "NULL",
        "missing": f"min({ROW_ID}, {EXAMPLES}) FILTER ({cell} IS NULL)",
    }


def _exactly(column: Column, name: str) -> dict[str, str]:
    return {"distinct": f"count(DISTINCT {valid(column, name)})"}


def _may_name_rows(column: Column, found: dict[str, Any]) -> bool:
    """Nearly as many values as rows, as far as that was estimated, of a kind that names rows."""
    distinct, filled = found["distinct"], found["filled"]
    if distinct is None or filled < FEW:
        return False
    return bool(distinct > ROUGHLY * filled and _names_rows(column, found["spaced"]))


def _missing(view: View, column: Column, missing: int, found: dict[str, Any]) -> Finding:
    rows, spaced = view.version.rows, found["spaced"]
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
        tuple(found["missing"] or ()),
        mend,
        empty,
    )


def _names_rows(column: Column, spaced: float | None) -> bool:
    """Whole numbers or single words, as names and numbers of rows are."""
    one_word = spaced is not None and spaced < 0.1
    return one_word or (is_number(column) and column.type not in FRACTIONS)


def _unique(view: View, column: Column, filled: int, distinct: int) -> Iterator[Finding]:
    if distinct < NEARLY * filled:
        return
    name, rows = quoted(column.name), view.version.rows
    every = distinct == rows
    near = view.near(column.name)
    again = f"{name} IN (SELECT {name} FROM {near} GROUP BY 1 HAVING count(*) > 1)"
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
        examples=() if every else examples_of(view, again, column.name),
        mend={"do": "drop-columns", "columns": [column.name]},
        condition="true" if every else f"{name} IS NOT NULL",
    )


def _reach(found: dict[str, Any]) -> tuple[float, float] | None:
    """Beyond which numbers a value lies far from the rest; None where none does."""
    if not found["quartiles"] or found["distinct"] is None or found["distinct"] <= 10:
        return None
    low, high = found["quartiles"]
    reach = 1.5 * (high - low)
    return (low - reach, high + reach) if 0 < reach < math.inf else None


def _outside(
    view: View, limits: dict[str, tuple[float, float]]
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """How many values of each number column lie beyond its limits, and the first rows of them."""
    asked = [(name, *pair) for name, pair in limits.items()]
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for part in view.portions(asked):
        cells = view.cells([name for name, *_ in part], "DOUBLE")
        for name, count, rows in view.sql(
            f"SELECT name, count(*), min({ROW_ID}, {EXAMPLES}) FROM {cells} JOIN"
            " (SELECT unnest(?::VARCHAR[]) AS name, unnest(?::DOUBLE[]) AS low,"
            " unnest(?::DOUBLE[]) AS high) USING (name)"
            " WHERE NOT isnan(cell) AND cell NOT BETWEEN low AND high GROUP BY name",
            [list(each) for each in zip(*part, strict=True)],
        ):
            found[name] = count, tuple(rows)
    return found


def _outliers(
    column: Column, limits: tuple[float, float], count: int, rows: tuple[int, ...]
) -> Finding:
    low, high = limits
    number = f"CAST({quoted(column.name)} AS DOUBLE)"
    return Finding(
        "info",
        "outliers",
        column.name,
        count,
        what=f"{count:,} value{' lies' if count == 1 else 's lie'} outside {low:g} to"
        f" {high:g}, 1.5 times the spread of the middle half",
        hint="Look at these rows: are the values real, or slips of the pen?",
        examples=rows,
        mend={"do": "clip-outliers", "columns": [column.name]},
        condition=f"{valid(column)} IS NOT NULL AND {number} NOT BETWEEN {low!r} AND {high!r}",
    )
