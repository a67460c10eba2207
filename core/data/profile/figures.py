"""The figures of a column: counts, spread, quantiles, a histogram, the most common values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.data.lake.version import Column
from core.data.lake.view import MOST_DISTINCT, View, quoted

BINS = 20
TOP = 10
EXACT_ROWS = 200_000
NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE"),
)


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
    wanted: list[tuple[str, str, str]] = []
    for column in columns:
        name = quoted(column.name)
        distinct = f"count(DISTINCT {name})" if exact else f"approx_count_distinct({name})"
        asked = {"missing": f"count(*) - count({name})", "distinct": distinct}
        if is_number(column):
            asked |= _of_numbers(column, name, list(quantiles.values()))
        elif column.type == "VARCHAR":
            asked |= {
                "shortest": f"min(length({name}))",
                "longest": f"max(length({name}))",
                "mean": f"avg(length({name}))",
                "empty": f"count(*) FILTER (trim({name}) = '')",
            }
        else:
            asked |= {
                "min": f"CAST(min({name}) AS VARCHAR)",
                "max": f"CAST(max({name}) AS VARCHAR)",
            }
        wanted += [(column.name, key, sql) for key, sql in asked.items()]
    found: dict[str, dict[str, Any]] = {column.name: {} for column in columns}
    known = view.aggregates([sql for *_, sql in wanted])
    for (column_name, key, _), value in zip(wanted, known, strict=True):
        found[column_name][key] = value
    for each in found.values():
        if "quantiles" in each:
            values = each.pop("quantiles") or [None] * len(quantiles)
            each |= dict(zip(quantiles, values, strict=True))
            each |= {key: _finite(each[key]) for key in ("min", "max", "mean", "std", *quantiles)}
        if "distinct" in each:
            # An estimate may be beyond what there is.
            each["distinct"] = min(each["distinct"], view.version.rows - each["missing"])
    return found


def _of_numbers(column: Column, name: str, quantiles: list[float]) -> dict[str, str]:
    value = f"CAST({name} AS DOUBLE)"
    # A whole number is finite: the test would cost as much as the rest.
    if column.type in ("FLOAT", "DOUBLE"):
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


def histogram(view: View, column: str, low: float | None, high: float | None) -> list[int]:
    """Counts in 20 equal bins from `low` to `high`; none where there is no finite value."""
    if low is None or high is None:
        return []
    bins = [0] * BINS
    width = (high / BINS - low / BINS) or 1.0
    name = quoted(column)
    for place, count in view.sql(
        f"SELECT least(CAST(floor((CAST({name} AS DOUBLE) - ?) / ?) AS INTEGER), {BINS - 1}),"
        f" count(*) FROM rows WHERE isfinite(CAST({name} AS DOUBLE)) GROUP BY 1",
        [low, width],
    ):
        bins[place] += count
    return bins


def top_values(view: View, column: str) -> list[tuple[str, int]]:
    """The ten most common values as text, with how often each comes."""
    name = quoted(column)
    found = view.sql(
        f"SELECT left(CAST({name} AS VARCHAR), 80), n FROM (SELECT {name}, count(*) AS n FROM rows"
        f" WHERE {name} IS NOT NULL GROUP BY 1) ORDER BY n DESC, 1 LIMIT {TOP}"
    )
    return [(str(value), int(count)) for value, count in found]


def _finite(value: Any) -> float | None:
    """A float that JSON can hold."""
    return float(value) if value is not None and math.isfinite(value) else None
