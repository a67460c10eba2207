"""Steps that change which columns there are, and of what type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.data.cleaning.cells import sql_value
from core.data.cleaning.expression import check_expression, has_window
from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.layout import sum_of
from core.data.lake.moments import moment
from core.data.lake.version import TYPES, Column
from core.data.lake.view import SPLIT, literal, quoted
from core.data.profile import NUMBERS
from core.errors import LeptonError, UsageError
from core.settings import Scalar, setting

READS_DATES = '. Dates in other ways of writing: the step "parse-dates"'


@dataclass(frozen=True)
class DropColumns(Step):
    do: ClassVar[str] = "drop-columns"
    help: ClassVar[str] = "Leave columns out."

    columns: tuple[str, ...] = setting("Columns to leave out")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        gone = {sheet.column(name).name for name in self.columns}
        if len(gone) == len(sheet.columns):
            raise UsageError("no column would be left")
        sheet.drop_columns(gone)
        sheet.did["columns dropped"] = len(gone)


@dataclass(frozen=True)
class Rename(Step):
    do: ClassVar[str] = "rename"
    help: ClassVar[str] = "Give columns other names."

    names: dict[str, str] = setting("The old and the new names")  # noqa: RUF009

    def run(self, sheet: Sheet, learned: Learned) -> None:
        for old, new in self.names.items():
            sheet.column(old)
            others = {name.lower() for name in sheet.names if name not in self.names}
            if not new or new.lower() in ("_rid", SPLIT) or new.lower() in others:
                raise UsageError(f'"{old}" cannot become "{new}"', hint="The name is taken.")
        if len({new.lower() for new in self.names.values()}) < len(self.names):
            raise UsageError("two columns would get one name")
        sheet.rename(self.names)
        sheet.did["columns renamed"] = len(self.names)


@dataclass(frozen=True)
class Cast(Step):
    do: ClassVar[str] = "cast"
    help: ClassVar[str] = "Turn columns into another type."

    columns: tuple[str, ...] = setting("Columns to turn")
    to: Literal["integer", "number", "text", "date", "timestamp", "boolean"] = setting("The type")
    unreadable: Literal["stop", "missing"] = setting(
        "What a value that cannot be turned does: stop the work, or become missing", "stop"
    )
    decimal: Literal[".", ","] = setting("The sign before the decimals, in text", ".")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        cells: dict[str, str] = {}
        for name in self.columns:
            column = sheet.column(name)
            if column.media:
                raise UsageError(f'column "{name}" holds media and cannot be turned')
            cells[name] = self._cell(column)
        lost = {
            name: f"({quoted(name)} IS NOT NULL AND ({cell}) IS NULL)"
            for name, cell in cells.items()
        }
        if self.unreadable == "stop":
            dates = self.to in ("date", "timestamp")
            stop_at_unreadable(sheet, lost, f"is no {self.to}", READS_DATES if dates else "")
        sheet.change(cells, counts=_summed("unreadable", lost))
        sheet.did["columns cast"] = len(cells)

    def _cell(self, column: Column) -> str:
        name = quoted(column.name)
        if column.type == "VARCHAR":
            name = f"trim({name})"
            if self.decimal == "," and self.to in ("integer", "number"):
                name = f"replace({name}, ',', '.')"
        if self.to == "integer" and column.type not in NUMBERS:
            # As text, 3.7 is no whole number; DuckDB would round it without a word.
            number = f"TRY_CAST({name} AS DOUBLE)"
            return (
                f"CASE WHEN {number} = floor({number}) OR {number} IS NULL"
                f" THEN coalesce(TRY_CAST({name} AS BIGINT), TRY_CAST({number} AS BIGINT)) END"
            )
        if self.to == "timestamp" and column.type == "VARCHAR":
            return moment(name)
        return f"TRY_CAST({name} AS {TYPES[self.to]})"


@dataclass(frozen=True)
class MapValues(Step):
    do: ClassVar[str] = "map-values"
    help: ClassVar[str] = "Write values as others, or as missing."

    columns: tuple[str, ...] = setting("Columns to change")
    values: dict[str, Scalar] = setting("The old and the new values", {})  # noqa: RUF009
    missing: tuple[str, ...] = setting('Values that only say that there is none, as "NA"', ())
    others: Literal["keep", "missing", "stop"] = setting("What becomes of all other values", "keep")

    def check(self) -> None:
        if not self.values and not self.missing:
            raise UsageError('"values" or "missing" has to be there')

    def run(self, sheet: Sheet, learned: Learned) -> None:
        cells: dict[str, str] = {}
        changed: dict[str, str] = {}
        for name in self.columns:
            column = sheet.column(name)
            if column.media:
                raise UsageError(f'column "{name}" holds media')
            text = f"CAST({quoted(name)} AS VARCHAR)"
            known = ", ".join(map(literal, [*self.values, *self.missing]))
            if self.others == "stop":
                odd = {name: f"({text} IS NOT NULL AND {text} NOT IN ({known}))"}
                stop_at_unreadable(sheet, odd, "is not among the values")
            kind = self._kind(sheet, column)
            cases = [
                f"WHEN {literal(old)} THEN {sql_value(new, kind)}"
                for old, new in self.values.items()
            ]
            cases += [f"WHEN {literal(old)} THEN {sql_value(None, kind)}" for old in self.missing]
            rest = f"CAST({quoted(name)} AS {kind})" if self.others == "keep" else "NULL"
            cells[name] = f"CASE {text} {' '.join(cases)} ELSE {rest} END"
            changed[name] = f"(CAST(({cells[name]}) AS VARCHAR) IS DISTINCT FROM {text})"
        sheet.change(cells, counts=_summed("cells changed", changed))

    def _kind(self, sheet: Sheet, column: Column) -> str:
        """The column's own type where it can hold every new value, else one that can."""
        new = list(self.values.values())
        if self.others != "keep" and new:
            for kind, type_ in ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE")):
                if all(isinstance(value, kind) for value in new):
                    return type_
            if all(isinstance(value, int | float) for value in new):
                return "DOUBLE"
        if column.type == "VARCHAR" or not new:
            return column.type
        for kind in dict.fromkeys((column.type, *(("DOUBLE",) if column.type in NUMBERS else ()))):
            tried = ", ".join(
                f"TRY_CAST({literal(str(v))} AS {kind}) = TRY_CAST({literal(str(v))} AS DOUBLE)"
                if kind in NUMBERS
                else f"TRY_CAST({literal(str(v))} AS {kind}) IS NOT NULL"
                for v in new
            )
            row = sheet.connection.execute(f"SELECT {tried}").fetchone()
            if row and all(row):
                return str(kind)
        return "VARCHAR"


@dataclass(frozen=True)
class Derive(Step):
    do: ClassVar[str] = "derive"
    help: ClassVar[str] = "Make a column of others by an SQL expression, or make one anew."
    typed_sql: ClassVar[bool] = True

    column: str = setting("The column to make")
    sql: str = setting("An expression over the columns, such as: weight / (height * height)")

    def check(self) -> None:
        if not self.column.strip() or self.column.lower() in ("_rid", SPLIT):
            raise UsageError(f'"{self.column}" cannot be derived')
        check_expression(self.sql)

    def run(self, sheet: Sheet, learned: Learned) -> None:
        same = [name for name in sheet.names if name.lower() == self.column.lower()]
        if same and same[0] != self.column:
            raise UsageError(f'there is a column "{same[0]}", which SQL takes for the same name')
        cell = f"({self.sql}\n)"
        described = sheet.connection.execute(
            f"DESCRIBE SELECT {cell} AS made FROM {sheet.relation}"
        ).fetchone()
        kind = described[1] if described else ""
        if kind.startswith(("DECIMAL", "HUGEINT", "UHUGEINT", "BIGNUM", "VARINT")):
            cell = f"CAST({cell} AS DOUBLE)"
        elif kind == "TIMESTAMP WITH TIME ZONE":
            cell = f"({cell} AT TIME ZONE 'UTC')"
        elif kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")) or kind.endswith("]"):
            cell = f"CAST(to_json({cell}) AS VARCHAR)"
        elif kind.startswith(("UUID", "ENUM", "INTERVAL", "BIT", "TIME ")) or kind == '"NULL"':
            cell = f"CAST({cell} AS VARCHAR)"
        if has_window(self.sql):
            sheet.in_order = False
        media = {self.column: sheet.column(self.column).media} if same else None
        changed = f"(({cell}) IS DISTINCT FROM {quoted(self.column)})" if same else "true"
        sheet.change({self.column: cell}, counts={"cells changed": changed}, media=media)


def stop_at_unreadable(sheet: Sheet, lost: dict[str, str], what: str, other_way: str = "") -> None:
    """Stop where a condition holds for a cell, and show one; `other_way` is told to a person.

    Raises:
        LeptonError: it does.
    """
    asked: dict[str, str] = {}
    for name, condition in lost.items():
        asked["count " + name] = f"count(*) FILTER (WHERE {condition})"
        asked["value " + name] = f"min(CAST({quoted(name)} AS VARCHAR)) FILTER (WHERE {condition})"
    found = sheet.ask(asked)
    for name in lost:
        if count := found["count " + name]:
            more = f", and {count - 1:,} more are not either" if count > 1 else ""
            raise LeptonError(
                f'"{str(found["value " + name])[:40]}" in column "{name}" {what}{more}',
                hint='Correct the values, or let them become missing: unreadable = "missing"'
                + other_way
                if what.startswith("is no ")
                else 'Add them to "values", or say what becomes of others.',
            )


def _summed(key: str, conditions: dict[str, str]) -> dict[str, str]:
    """One count of the cells, in whatever column, for which its condition holds."""
    total = sum_of(f"CAST(coalesce({each}, false) AS BIGINT)" for each in conditions.values())
    return {key: total}
