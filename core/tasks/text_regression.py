"""Text regression: one column of texts, one column of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from core.data.lake.view import View
from core.tasks.base import Fit
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.pieces import Pieces
from core.tasks.preprocessing import Reading
from core.tasks.regression import Regression
from core.tasks.targets import chosen_target, is_quantity
from core.tasks.texts import OfTexts, chosen_text, is_prose, words_of
from core.tasks.words import Words


class TextRegression(OfTexts, Regression):
    """Which number belongs to a text: a price, a mark, how alike two are."""

    name: ClassVar[str] = "text-regression"
    summary: ClassVar[str] = "which number belongs to a text"
    needs: ClassVar[str] = "a column of texts and a column of numbers"

    def __init__(
        self,
        column: str,
        target: str,
        words: Words | Pieces,
        *,
        mean: float,
        std: float,
        notes: Sequence[str] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.mean = mean
        self.std = std
        self.words = words
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        answer = chosen_target(facts, target, inputs)
        text = chosen_text(facts, answer, inputs)
        if text is None or answer is None or not answer.is_number:
            return None
        likely = is_prose(text) and is_quantity(answer)
        score = 0.5 if likely and (target or not _numbers_rows(answer, facts)) else 0.01
        why = f"{text.name} holds texts of {text.words:.0f} words, {answer.name} numbers"
        return Fit(cls.name, (text.name,), answer.name, score, why)

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        mean, std, notes = cls.learn_number(view, fit, split)
        words = cls.learn_words(
            view,
            fit,
            split,
            options=options,
            reading=reading,
            known=lambda number: number is not None and math.isfinite(number),
        )
        (column,) = fit.inputs
        told = (*fit.notes, *notes)
        return cls(column, fit.target, words, mean=mean, std=std, notes=told)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "mean": self.mean,
            "std": self.std,
            **self.words.to_json(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        mean, std = float(codec["mean"]), float(codec["std"])
        column, target, notes = codec["column"], codec["target"], codec["notes"]
        return cls(column, target, words_of(codec), mean=mean, std=std, notes=notes)

    @property
    def shape(self) -> dict[str, Any]:
        return self.text_shape(1)


def _numbers_rows(column: ColumnFacts, facts: TableFacts) -> bool:
    """Whether no row has the whole number of another, as their numbers are."""
    return column.is_whole and column.distinct >= facts.rows - column.nulls
