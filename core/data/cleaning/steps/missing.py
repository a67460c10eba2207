"""The step that fills what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.data.cleaning.cells import finite, sql_value, valid
from core.data.cleaning.neighbours import fill_from_neighbours
from core.data.cleaning.sheet import HIDDEN, Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.layout import COLUMNS_AT_ONCE, portions_of, sum_of
from core.data.lake.version import FRACTIONS, Column
from core.data.lake.view import ROW_ID, SPLIT, quoted
from core.data.profile import NUMBERS
from core.errors import UsageError
from core.settings import Scalar, setting

MANY = 50


@dataclass(frozen=True)
class Fill(Step):
    do: ClassVar[str] = "fill"
    help: ClassVar[str] = (
        "Fill missing values: with a constant, the mean, the median, the most common value, the"
        " value before, or the mean of the rows nearest in the other numbers."
    )

    columns: tuple[str, ...] = setting("Columns to fill; all that suit but the target", ())
    with_: Literal["constant", "mean", "median", "mode", "forward", "neighbours"] = setting(
        "What to fill with", "median"
    )
    value: Scalar | None = setting(  # noqa: RUF009
        'The constant, for with = "constant"', None
    )
    by: str | None = setting("A column whose equal values make a group, filled by itself", None)
    order: str | None = setting('For with = "forward": the column that says what is before', None)
    from_: Literal["all", "train"] = setting("The rows to learn from", "all")
    k: int = setting("How many neighbours", 5)

    def check(self) -> None:
        if (self.with_ == "constant") != (self.value is not None):
            raise UsageError('"value" goes with with = "constant", and is needed there')
        if self.order is not None and self.with_ != "forward":
            raise UsageError('"order" goes with with = "forward"')
        if self.by is not None and self.with_ in ("constant", "neighbours"):
            raise UsageError(f'"by" does not go with with = "{self.with_}"')
        if self.from_ == "train" and self.with_ in ("constant", "forward"):
            raise UsageError(f'with = "{self.with_}" learns nothing; leave "from" out')
        if self.k < 1:
            raise UsageError('"k" is 1 or more')

    def learn(self, sheet: Sheet) -> Learned:
        columns = self._columns(sheet)
        if self.with_ == "constant":
            return {column.name: {"all": self.value} for column in columns}
        if self.with_ in ("forward", "neighbours"):
            sheet.part(self.from_)
            return {column.name: {} for column in columns}
        if self.with_ == "mode":
            few = len(columns) < MANY
            # Each column has a query of its own, and needs not read the whole recipe again.
            rows = sheet.relation if few else sheet.table(f"SELECT * FROM {sheet.relation}")
            return {column.name: self._modes(sheet, column, rows) for column in columns}
        part = sheet.part(self.from_)
        function = {"mean": "avg", "median": "median"}[self.with_]
        asked = {column.name: f"{function}({finite(column)}){part}" for column in columns}
        if self.by is None:
            # A sum for some columns each: one of thousands takes DuckDB most of a minute.
            wanted, sums = dict[str, str](), list[str]()
            for some in portions_of(columns, COLUMNS_AT_ONCE):
                wanted |= {column.name: asked[column.name] for column in some}
                sums.append(f"{HIDDEN}filled{len(sums)}")
                there = sum_of(f"count({valid(column)})" for column in some)
                wanted[sums[-1]] = f"{len(some)} * count(*) - {there}"
            found = sheet.ask(wanted)
            filled = sum(found.pop(name) for name in sums)
            if all(value is not None for value in found.values()):
                sheet.did["cells filled"] = filled
            return {name: {"all": value} for name, value in found.items()}
        overall = sheet.ask(asked)
        key = _group(sheet, self.by)
        groups = sheet.groups(
            f"SELECT {key}, {', '.join(asked.values())} FROM {sheet.relation}"
            " GROUP BY 1 ORDER BY 1 NULLS FIRST"
        )
        return {
            column.name: {
                "all": overall[column.name],
                "groups": [[g[0], g[i]] for g in groups if g[i] is not None],
            }
            for i, column in enumerate(columns, 1)
        }

    def run(self, sheet: Sheet, learned: Learned) -> None:
        columns = [sheet.column(name) for name in learned]
        if self.with_ == "neighbours":
            fill_from_neighbours(sheet, columns, self.k, self.from_)
        elif self.with_ == "forward":
            self._forward(sheet, columns)
        elif self.by is None:
            self._plain(sheet, columns, learned)
        else:
            self._grouped(sheet, columns, learned)

    def _columns(self, sheet: Sheet) -> list[Column]:
        if self.with_ in ("mean", "median", "neighbours"):
            return sheet.numbers(self.columns)
        spared = {SPLIT, sheet.target, self.by, self.order}
        found = [c for c in sheet.pick(self.columns) if self.columns or c.name not in spared]
        for column in found:
            if column.type == "BLOB" and self.columns and self.with_ != "forward":
                raise UsageError(f'column "{column.name}" holds bytes, which cannot be filled')
        found = [c for c in found if c.type != "BLOB" or self.columns]
        if self.with_ == "constant" and not self.columns:
            number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
            found = [c for c in found if (c.type in NUMBERS) == number]
        if not found:
            raise UsageError("there is no column to fill", hint='Name it in "columns".')
        return found

    def _modes(self, sheet: Sheet, column: Column, rows: str) -> dict[str, Any]:
        """The most common value, of equally common ones the least, for all rows and by group."""
        value, where = valid(column), f"{valid(column)} IS NOT NULL"
        sheet.part(self.from_)
        if self.from_ == "train":
            where += f" AND {SPLIT} = 'train'"
        kept = value if column.type in NUMBERS or column.type == "BOOLEAN" else _text(value)
        first = sheet.connection.execute(
            f"SELECT {kept} FROM {rows} WHERE {where}"
            f" GROUP BY {value} ORDER BY count(*) DESC, {value} LIMIT 1"
        ).fetchone()
        found: dict[str, Any] = {"all": first[0] if first else None}
        if self.by is not None:
            groups = sheet.groups(
                f"SELECT g, {_text('v') if kept != value else 'v'} FROM"
                f" (SELECT {_group(sheet, self.by)} AS g, {value} AS v, count(*) AS n"
                f" FROM {rows} WHERE {where} GROUP BY ALL)"
                " QUALIFY row_number() OVER (PARTITION BY g ORDER BY n DESC, v) = 1"
                " ORDER BY g NULLS FIRST"
            )
            found["groups"] = [list(group) for group in groups]
        return found

    def _plain(self, sheet: Sheet, columns: list[Column], learned: Learned) -> None:
        cells = {
            column.name: f"coalesce({valid(column)},"
            f" {_filler(column, learned[column.name]['all'])})"
            for column in columns
            if learned[column.name]["all"] is not None
        }
        filled = {column.name: _empty(column) for column in columns if column.name in cells}
        sheet.change(cells, counts=_counted(sheet, filled) if cells else None)

    def _grouped(self, sheet: Sheet, columns: list[Column], learned: Learned) -> None:
        assert self.by is not None
        keys = dict.fromkeys(key for each in learned.values() for key, _ in each["groups"])
        by_column = [dict(map(tuple, learned[column.name]["groups"])) for column in columns]
        heads = {HIDDEN + "key": "VARCHAR"} | {
            f"{HIDDEN}{i}": column.type for i, column in enumerate(columns)
        }
        rows = [
            [key, *(_rounded(c, each.get(key)) for c, each in zip(columns, by_column, strict=True))]
            for key in keys
        ]
        table = sheet.values(heads, rows)
        cells = {
            column.name: f"coalesce({valid(column)}, g.{HIDDEN}{i},"
            f" {_filler(column, learned[column.name]['all'])})"
            for i, column in enumerate(columns)
        }
        filled = {c.name: f"({_empty(c)} AND ({cells[c.name]}) IS NOT NULL)" for c in columns}
        key = _group(sheet, self.by)
        sheet.change(
            cells,
            counts=_counted(sheet, filled),
            join=f" LEFT JOIN {table} g ON {key} IS NOT DISTINCT FROM g.{HIDDEN}key",
        )

    def _forward(self, sheet: Sheet, columns: list[Column]) -> None:
        order = ROW_ID
        if self.order is not None:
            order = f"{quoted(sheet.column(self.order).name)}, {ROW_ID}"
        group = ""
        if self.by is not None:
            group = f"PARTITION BY {quoted(sheet.column(self.by).name)} "
        over = f"({group}ORDER BY {order} ROWS UNBOUNDED PRECEDING)"
        cells = {c.name: f"last_value({valid(c)} IGNORE NULLS) OVER {over}" for c in columns}
        filled = {c.name: f"({_empty(c)} AND ({cells[c.name]}) IS NOT NULL)" for c in columns}
        sheet.in_order = False
        sheet.change(cells, counts=_counted(sheet, filled))


def _empty(column: Column) -> str:
    return f"({valid(column)} IS NULL)"


def _text(sql: str) -> str:
    return f"CAST({sql} AS VARCHAR)"


def _group(sheet: Sheet, by: str) -> str:
    return _text(quoted(sheet.column(by).name))


def _rounded(column: Column, value: Any) -> Any:
    """Whole numbers stay whole: a mean or a median between two of them is rounded."""
    if column.type in NUMBERS and column.type not in FRACTIONS and isinstance(value, float):
        return int(value + 0.5) if value >= 0 else -int(0.5 - value)
    return value


def _filler(column: Column, value: Any) -> str:
    return sql_value(_rounded(column, value), column.type)


def _counted(sheet: Sheet, filled: dict[str, str]) -> dict[str, str] | None:
    if "cells filled" in sheet.did:
        return None
    return {"cells filled": sum_of(f"CAST({condition} AS BIGINT)" for condition in filled.values())}
