"""Steps on columns of numbers: one scale for all, and what lies far outside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.data.cleaning.cells import finite, sql_value
from core.data.cleaning.sheet import HIDDEN, Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.layout import sum_of
from core.data.lake.version import FRACTIONS, Column
from core.data.lake.view import quoted
from core.errors import UsageError
from core.settings import setting


@dataclass(frozen=True)
class Scale(Step):
    do: ClassVar[str] = "scale"
    help: ClassVar[str] = "Bring numbers to one scale: (value - centre) / spread."

    columns: tuple[str, ...] = setting("Columns to scale; all of numbers but the target", ())
    how: Literal["standard", "min-max", "robust"] = setting(
        "By mean and standard deviation, least and largest, or median and quartiles", "standard"
    )
    from_: Literal["all", "train"] = setting("The rows to learn from", "all")

    def learn(self, sheet: Sheet) -> Learned:
        columns = sheet.numbers(self.columns)
        part = sheet.part(self.from_)
        asked: dict[str, str] = {}
        for column in columns:
            value = finite(column)
            wanted = {
                "standard": f"[avg({value}){part}, stddev_pop({value}){part}]",
                "min-max": f"[min({value}){part}, max({value}){part}]",
                "robust": f"quantile_cont({value}, [0.25, 0.5, 0.75]){part}",
            }
            asked[column.name] = wanted[self.how]
        filled = sum_of(f"count({quoted(column.name)})" for column in columns)
        found = sheet.ask({**asked, HIDDEN + "filled": filled})
        sheet.did["cells changed"] = found.pop(HIDDEN + "filled")
        return {name: self._two(figures) for name, figures in found.items()}

    def _two(self, figures: list[float | None] | None) -> dict[str, float]:
        """Centre and spread; a column of one value only moves to 0, an empty one stays."""
        if figures is None or None in figures:
            return {"centre": 0.0, "spread": 1.0}
        low, *_, high = known = [float(figure) for figure in figures if figure is not None]
        if self.how == "standard":
            centre, spread = low, high
        elif self.how == "min-max":
            centre, spread = low, high - low
        else:
            centre, spread = known[1], high - low
        # A spread made of rounding alone would blow equal values up.
        if not math.isfinite(spread) or spread <= 10 * abs(centre) * 2.3e-16:
            spread = 1.0
        return {"centre": centre, "spread": spread}

    def run(self, sheet: Sheet, learned: Learned) -> None:
        columns = sheet.numbers(list(learned))
        cells = {
            column.name: f"(CAST({quoted(column.name)} AS DOUBLE)"
            f" - {sql_value(learned[column.name]['centre'], 'DOUBLE')})"
            f" / {sql_value(learned[column.name]['spread'], 'DOUBLE')}"
            for column in columns
        }
        total = sum_of(f"CAST({quoted(column.name)} IS NOT NULL AS BIGINT)" for column in columns)
        counts = None if "cells changed" in sheet.did else {"cells changed": total}
        sheet.change(cells, counts=counts)


@dataclass(frozen=True)
class _Outliers(Step):
    """What the two steps on outliers share: how far from the middle a number may lie."""

    columns: tuple[str, ...] = setting("Columns to look at; all of numbers but the target", ())
    how: Literal["iqr", "z-score"] = setting(
        "By the spread of the middle half, or by standard deviations from the mean", "iqr"
    )
    reach: float | None = setting("How many of them: 1.5 for iqr, 3 for z-score if unset", None)
    from_: Literal["all", "train"] = setting("The rows to learn from", "all")

    def check(self) -> None:
        if self.reach is not None and not self.reach > 0:
            raise UsageError('"reach" is more than 0')

    def learn(self, sheet: Sheet) -> Learned:
        part = sheet.part(self.from_)
        asked = {
            column.name: f"quantile_cont({finite(column)}, [0.25, 0.75]){part}"
            if self.how == "iqr"
            else f"[avg({finite(column)}){part}, stddev_samp({finite(column)}){part}]"
            for column in sheet.numbers(self.columns)
        }
        return {name: self._limits(found) for name, found in sheet.ask(asked).items()}

    def _limits(self, figures: list[Any] | None) -> list[float] | None:
        """The least and the largest value that is taken; None where nothing is spread."""
        if figures is None or None in figures:
            return None
        if self.how == "iqr":
            low, high = figures
            far = (self.reach or 1.5) * (high - low)
        else:
            low = high = figures[0]
            far = (self.reach or 3.0) * figures[1]
        return [low - far, high + far] if far > 0 and math.isfinite(far) else None

    def _bounded(self, sheet: Sheet, learned: Learned) -> list[tuple[Column, str, str]]:
        columns = sheet.numbers(list(learned))
        return [
            (column, *_bounds(column, learned[column.name]))
            for column in columns
            if learned[column.name] is not None
        ]


@dataclass(frozen=True)
class ClipOutliers(_Outliers):
    do: ClassVar[str] = "clip-outliers"
    help: ClassVar[str] = "Bring numbers that lie far outside to the limit."

    def run(self, sheet: Sheet, learned: Learned) -> None:
        cells: dict[str, str] = {}
        outside: list[str] = []
        for column, low, high in self._bounded(sheet, learned):
            cells[column.name] = (
                f"CAST(CASE WHEN {_far(column, low, high)} THEN"
                f" CASE WHEN {quoted(column.name)} < {low} THEN {low} ELSE {high} END"
                f" ELSE {quoted(column.name)} END AS {column.type})"
            )
            outside.append(f"CAST(coalesce({_far(column, low, high)}, false) AS BIGINT)")
        sheet.change(cells, counts={"cells changed": sum_of(outside)} if cells else None)


@dataclass(frozen=True)
class DropOutliers(_Outliers):
    do: ClassVar[str] = "drop-outliers"
    help: ClassVar[str] = "Drop the rows in which a number lies far outside."

    def run(self, sheet: Sheet, learned: Learned) -> None:
        far = [_far(column, low, high) for column, low, high in self._bounded(sheet, learned)]
        if far:
            sheet.keep(f"NOT coalesce({' OR '.join(far)}, false)")


def _bounds(column: Column, limits: list[float]) -> tuple[str, str]:
    """The limits in the column's own type; whole numbers are bounded by whole numbers."""
    low, high = limits
    if column.type in FRACTIONS:
        return sql_value(low, column.type), sql_value(high, column.type)
    # A limit that the type cannot hold bounds nothing, so it is left as a number.
    kind = "HUGEINT" if max(abs(low), abs(high)) < 1e38 else "DOUBLE"
    whole = [sql_value(math.ceil(low), kind), sql_value(math.floor(high), kind)]
    return whole[0], whole[1]


def _far(column: Column, low: str, high: str) -> str:
    """Whether a cell is outside; what is missing is not."""
    name = quoted(column.name)
    known = f"NOT isnan({name}) AND " if column.type in FRACTIONS else ""
    return f"({known}({name} < {low} OR {name} > {high}))"
