"""Steps that leave rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.data.cleaning.cells import valid
from core.data.cleaning.expression import check_expression
from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.view import ROW_ID, quoted
from core.errors import UsageError
from core.settings import setting


@dataclass(frozen=True)
class DropDuplicates(Step):
    do: ClassVar[str] = "drop-duplicates"
    help: ClassVar[str] = "Keep one of the rows that are equal, in all columns or in some."

    columns: tuple[str, ...] = setting("Columns to compare; all but the split when none is", ())
    keep: Literal["first", "last"] = setting("Which of the equal rows stays", "first")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        keys = ", ".join(quoted(column.name) for column in sheet.pick(self.columns))
        # The rows are looked through for equal hashes first, as few rows have any: the others keep
        # their order and are never put into a table. Equal hashes are then compared in full.
        hashes = sheet.table(f"SELECT {ROW_ID}, hash({keys}) AS h FROM {sheet.relation}")
        alike = f"SELECT h FROM {hashes} GROUP BY h HAVING count(*) > 1"
        best = "min" if self.keep == "first" else "max"
        gone = sheet.table(
            f"SELECT {ROW_ID} FROM (SELECT {ROW_ID},"
            f" {best}({ROW_ID}) OVER (PARTITION BY {keys}) AS kept"
            f" FROM {sheet.relation} WHERE {ROW_ID} IN"
            f" (SELECT {ROW_ID} FROM {hashes} WHERE h IN ({alike}))) WHERE {ROW_ID} <> kept"
        )
        sheet.drop(gone)


@dataclass(frozen=True)
class DropRows(Step):
    do: ClassVar[str] = "drop-rows"
    help: ClassVar[str] = "Drop the rows in which values are missing, or which are named by id."

    columns: tuple[str, ...] = setting("Columns to look at; all but the split when none is", ())
    missing: Literal["any", "all"] = setting("Drop where any, or only where all are missing", "any")
    ids: tuple[int, ...] = setting("Row ids (_rid) to drop instead", ())

    def check(self) -> None:
        if self.ids and self.columns:
            raise UsageError('"ids" and "columns" do not go together', hint="Leave one out.")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        if self.ids:
            named = sheet.values({"id": "BIGINT"}, [[each] for each in self.ids])
            there = f"FROM {sheet.relation} WHERE {ROW_ID} IN (SELECT id FROM {named})"
            sheet.drop(sheet.table(f"SELECT {ROW_ID} {there}"))
            return
        word = "AND" if self.missing == "any" else "OR"
        cells = (f"{valid(column)} IS NOT NULL" for column in sheet.pick(self.columns))
        sheet.keep(f" {word} ".join(cells))


@dataclass(frozen=True)
class Filter(Step):
    do: ClassVar[str] = "filter"
    help: ClassVar[str] = "Keep the rows for which an SQL condition is true."
    typed_sql: ClassVar[bool] = True

    where: str = setting("A condition over the columns, such as: age >= 18")

    def check(self) -> None:
        check_expression(self.where)

    def run(self, sheet: Sheet, learned: Learned) -> None:
        sheet.keep(f"({self.where}\n)")
