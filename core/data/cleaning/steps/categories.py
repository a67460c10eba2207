"""The step that writes categories as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.data.cleaning.cells import valid
from core.data.cleaning.sheet import HIDDEN, Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.version import Column
from core.data.lake.view import SPLIT, literal
from core.errors import LeptonError, UsageError
from core.settings import setting


@dataclass(frozen=True)
class Encode(Step):
    do: ClassVar[str] = "encode"
    help: ClassVar[str] = (
        "Write categories as numbers: a column of 0 and 1 for each (one-hot), their place in an"
        " order that you give (ordinal), or their place in the alphabet (label)."
    )

    columns: tuple[str, ...] = setting("Columns of categories")
    as_: Literal["one-hot", "ordinal", "label"] = setting("In which way", "one-hot")
    order: tuple[str, ...] = setting("For ordinal: the categories, least first", ())
    most: int = setting("For one-hot: refuse a column with more categories", 100)
    from_: Literal["all", "train"] = setting("The rows to learn from", "all")

    def check(self) -> None:
        if (self.as_ == "ordinal") != bool(self.order):
            raise UsageError(
                '"order" goes with as = "ordinal", and is needed there',
                hint='Without an order of their own: as = "label"',
            )
        if len(set(self.order)) < len(self.order):
            raise UsageError('"order" names a category twice')

    def learn(self, sheet: Sheet) -> Learned:
        return {name: self._categories(sheet, sheet.column(name)) for name in self.columns}

    def _categories(self, sheet: Sheet, column: Column) -> list[str]:
        if column.type == "BLOB" or column.name == SPLIT:
            raise UsageError(f'column "{column.name}" holds no categories')
        if self.order:
            return list(self.order)
        where = f"{valid(column)} IS NOT NULL"
        sheet.part(self.from_)
        if self.from_ == "train":
            where += f" AND {SPLIT} = 'train'"
        found = sheet.groups(
            f"SELECT CAST(v AS VARCHAR) FROM (SELECT DISTINCT {valid(column)} AS v"
            f" FROM {sheet.relation} WHERE {where}) ORDER BY v"
        )
        if self.as_ == "one-hot" and len(found) > self.most:
            raise LeptonError(
                f'column "{column.name}" has {len(found):,} categories',
                hint=f'Raise "most" (it is {self.most}), or write them as = "label".',
            )
        return [value for (value,) in found]

    def run(self, sheet: Sheet, learned: Learned) -> None:
        for name, categories in learned.items():
            column = sheet.column(name)
            if self.as_ == "one-hot":
                self._one_hot(sheet, column, categories)
            else:
                self._places(sheet, column, categories)

    def _one_hot(self, sheet: Sheet, column: Column, categories: list[str]) -> None:
        text = f"CAST({valid(column)} AS VARCHAR)"
        made = {
            f"{column.name}_{category}": f"CAST(coalesce({text} = {literal(category)}, false)"
            " AS TINYINT)"
            for category in categories
        }
        lower = [name.lower() for name in made]
        for name in made:
            if sheet.has(name) or lower.count(name.lower()) > 1:
                raise UsageError(
                    f'there would be two columns "{name}"',
                    hint="Write the categories in one way first, or rename the other column.",
                )
        listed = ", ".join(map(literal, categories)) or "NULL"
        unseen = f"({text} IS NOT NULL AND NOT coalesce({text} IN ({listed}), false))"
        sheet.change(made, counts={"unseen": unseen})
        sheet.replace_input(column.name, list(made))
        sheet.drop_columns([column.name])
        sheet.did["columns added"] = sheet.did.get("columns added", 0) + len(made)

    def _places(self, sheet: Sheet, column: Column, categories: list[str]) -> None:
        table = sheet.values(
            {HIDDEN + "key": "VARCHAR", HIDDEN + "place": "BIGINT"},
            [[category, place] for place, category in enumerate(categories)],
        )
        text = f"CAST({valid(column)} AS VARCHAR)"
        sheet.change(
            {column.name: f"g.{HIDDEN}place"},
            counts={
                "cells changed": f"g.{HIDDEN}place IS NOT NULL",
                "unseen": f"({text} IS NOT NULL AND g.{HIDDEN}place IS NULL)",
            },
            join=f" LEFT JOIN {table} g ON {text} = g.{HIDDEN}key",
        )
