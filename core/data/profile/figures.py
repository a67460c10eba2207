"""The figures of a column: counts, spread, quantiles, a histogram, the most common values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from core.data.lake.version import FRACTIONS, INTEGERS, Column
from core.data.lake.view import MOST_DISTINCT, View

BINS = 20
TOP = 10
EXACT_ROWS = 200_000
NUMBERS = (*INTEGERS, "UBIGINT", *FRACTIONS)


def is_number(column: Column) -> bool:
    """Whether a column holds numbers that can be added up."""
    return column.type in NUMBERS


def figures(
    view: View, columns: Sequence[Column], quantiles: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Everything that one pass over all columns gives, by column and by name.

    Numbers have the `quantiles` under their names; what is not finite does not count in them.
    """
    exact = view.version.rows < EXACT_ROWS and len(columns) <= MOST_DISTINCT
    found: dict[str, dict[str, Any]] = {}
    for alike in of_one_type(columns):
        asked = partial(_asked, alike[0], exact, list(quantiles.values()))
        found |= view.of_each([column.name for column in alike], asked)
    for each in found.values():
        if "quantiles" in each:
            values = each.pop("quantiles") or [None] * len(quantiles)
            each |= dict(zip(quantiles, values, strict=True))
            each |= {key: _finite(each[key]) for key in ("min", "max", "mean", "std", *quantiles)}
        # An estimate may be beyond what there is.
        each["distinct"] = min(each["distinct"], view.version.rows - each["missing"])
    return found


def of_one_type(columns: Sequence[Column]) -> list[list[Column]]:
    """The columns, parted by their types."""
    alike: dict[str, list[Column]] = {}
    for column in columns:
        alike.setdefault(column.type, []).append(column)
    return [*alike.values()]


def _asked(column: Column, exact: bool, quantiles: list[float], name: str) -> dict[str, str]:
    """The SQL of each figure for a column of this one's type that SQL calls `name`."""
    distinct = f"count(DISTINCT {name})" if exact else f"approx_count_distinct({name})"
    asked = {"missing": f"count(*) - count({name})", "distinct": distinct}
    if is_number(column):
        return asked | _of_numbers(column, name, quantiles)
    if column.type == "VARCHAR":
        return asked | {
            "shortest": f"min(length({name}))",
            "longest": f"max(length({name}))",
            "mean": f"avg(length({name}))",
            "empty": f"count(*) FILTER (trim({name}) = '')",
        }
    return asked | {
        "min": f"CAST(min({name}) AS VARCHAR)",
        "max": f"CAST(max({name}) AS VARCHAR)",
    }


def _of_numbers(column: Column, name: str, quantiles: list[float]) -> dict[str, str]:
    value = f"CAST({name} AS DOUBLE)"
    # A whole number is finite: the test would cost as much as the rest.
    if column.type in FRACTIONS:
        value = f"CASE WHEN isfinite({value}) THEN {value} END"
    return {
        "min": f"min({value})",
        "max": f"max({value})",
        "mean": f"avg({value})",
        "std": f"stddev_samp({value})",
        "zeros": f"count(*) FILTER ({name} = 0)",
        "negative": f"count(*) FILTER ({name} < 0)",
        "quantiles": f"quantile_cont({value}, {quantiles})",
    }


def histograms(
    view: View, limits: Mapping[str, tuple[float | None, float | None]]
) -> dict[str, list[int]]:
    """Of each number column counts in 20 equal bins between its limits; none without a value."""
    found: dict[str, list[int]] = {name: [] for name in limits}
    asked: list[tuple[str, float, float]] = []
    for name, (low, high) in limits.items():
        if low is not None and high is not None:
            found[name] = [0] * BINS
            asked.append((name, low, (high / BINS - low / BINS) or 1.0))
    if not asked:
        return found
    names = [name for name, *_ in asked]
    place = f"least(CAST(floor((cell - low) / width) AS INTEGER), {BINS - 1})"
    for name, bin_, count in view.sql(
        f"SELECT name, {place} AS bin, count(*) FROM {view.cells(names, 'DOUBLE')} JOIN"
        " (SELECT unnest(?::VARCHAR[]) AS name, unnest(?::DOUBLE[]) AS low,"
        " unnest(?::DOUBLE[]) AS width) USING (name) WHERE isfinite(cell) GROUP BY ALL",
        [list(each) for each in zip(*asked, strict=True)],
    ):
        found[name][bin_] += count
    return found


def top_values(view: View, columns: Sequence[Column]) -> dict[str, list[tuple[str, int]]]:
    """Of each column the ten most common values as text, with how often each comes."""
    found: dict[str, list[tuple[str, int]]] = {column.name: [] for column in columns}
    for alike in of_one_type(columns):
        for name, value, count in view.sql(
            "SELECT name, left(CAST(cell AS VARCHAR), 80) AS shown, n"
            f" FROM (SELECT name, cell, count(*) AS n FROM {view.cells([c.name for c in alike])}"
            " WHERE cell IS NOT NULL GROUP BY ALL) QUALIFY"
            f" row_number() OVER (PARTITION BY name ORDER BY n DESC, shown) <= {TOP}"
            " ORDER BY name, n DESC, shown"
        ):
            found[name].append((str(value), int(count)))
    return found


def _finite(value: Any) -> float | None:
    """A float that JSON can hold."""
    return float(value) if value is not None and math.isfinite(value) else None
