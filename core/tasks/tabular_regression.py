"""Tabular regression: columns of numbers, dates and categories, one column of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.data.lake.view import View
from core.options import resolved
from core.tasks.base import Fit
from core.tasks.facts import TableFacts
from core.tasks.regression import Array, Regression
from core.tasks.table import OverTable, TableCodec, choose_inputs
from core.tasks.targets import chosen_target, is_quantity

if TYPE_CHECKING:
    from core.tasks.base import Arrays, Rows


class TabularRegression(OverTable, Regression):
    """Which number belongs to a table row."""

    name: ClassVar[str] = "tabular-regression"
    summary: ClassVar[str] = "which number belongs to a table row"
    needs: ClassVar[str] = "columns of numbers, dates or categories and a column of numbers"

    def __init__(
        self, codec: TableCodec, target: str, mean: float, std: float, notes: Sequence[str] = ()
    ) -> None:
        self.codec = codec
        self.columns = codec.columns
        self.target = target
        self.mean = mean
        self.std = std
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        answer = chosen_target(facts, target, inputs)
        if answer is None or not answer.is_number:
            return None
        columns, notes = choose_inputs(facts, answer.name, inputs)
        if not columns:
            return None
        score = 0.6 if is_quantity(answer) else 0.1
        told = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
        why = f"{answer.name} is a number, {told} to tell it from"
        return Fit(cls.name, columns, answer.name, score, why, notes)

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        resolved(cls.options, options or {}, cls.name)
        mean, std, notes = cls.learn_number(view, fit, split)
        codec = TableCodec.learn(view, fit, split)
        return cls(codec, fit.target, mean, std, (*fit.notes, *notes))

    def to_json(self) -> dict[str, Any]:
        return {
            "features": self.codec.to_json(),
            "target": self.target,
            "mean": self.mean,
            "std": self.std,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        table = TableCodec.from_json(codec["features"])
        mean, std = float(codec["mean"]), float(codec["std"])
        return cls(table, codec["target"], mean, std, codec["notes"])

    @property
    def shape(self) -> dict[str, Any]:
        return {"kind": self.reads, **self.codec.shape, "outputs": 1}

    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        return self.codec.encode(rows, kept)
