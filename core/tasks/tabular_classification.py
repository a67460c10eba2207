"""Tabular classification: columns of numbers, dates and categories, one column of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.data.lake.view import View
from core.options import resolved
from core.tasks.base import Fit
from core.tasks.classification import Array, Classification
from core.tasks.facts import TableFacts
from core.tasks.table import OverTable, TableCodec, choose_inputs
from core.tasks.targets import can_classify, chosen_target, is_classes, separator

if TYPE_CHECKING:
    from core.tasks.base import Arrays, Rows


class TabularClassification(OverTable, Classification):
    """Which class a table row belongs to."""

    name: ClassVar[str] = "tabular-classification"
    summary: ClassVar[str] = "which class a table row belongs to"
    needs: ClassVar[str] = "columns of numbers, dates or categories and a column of classes"

    def __init__(
        self,
        codec: TableCodec,
        target: str,
        labels: Sequence[str],
        notes: Sequence[str] = (),
        counts: Sequence[int] = (),
    ) -> None:
        self.codec = codec
        self.columns = codec.columns
        self.target = target
        self.labels = tuple(labels)
        self.counts = tuple(counts)
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        answer = chosen_target(facts, target, inputs)
        if answer is None or not can_classify(answer, facts, named=target is not None):
            return None
        columns, notes = choose_inputs(facts, answer.name, inputs)
        if not columns:
            return None
        score = 0.6 if is_classes(answer, facts) else 0.1
        told = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
        why = f"{answer.name} holds {answer.distinct} classes, {told} to tell from"
        return Fit(cls.name, columns, answer.name, score, why, notes, separator(answer))

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        resolved(cls.options, options or {}, cls.name)
        labels, notes = cls.learn_labels(view, fit, split)
        codec = TableCodec.learn(view, fit, split)
        told = (*fit.notes, *notes)
        return cls(codec, fit.target, tuple(labels), told, tuple(labels.values()))

    def to_json(self) -> dict[str, Any]:
        return {
            "features": self.codec.to_json(),
            "target": self.target,
            "labels": list(self.labels),
            "counts": list(self.counts),
            "notes": list(self.notes),
        }

    @classmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        table = TableCodec.from_json(codec["features"])
        counts = codec.get("counts", ())
        return cls(table, codec["target"], codec["labels"], codec["notes"], counts)

    @property
    def shape(self) -> dict[str, Any]:
        return {"kind": self.reads, **self.codec.shape, "outputs": len(self.labels)}

    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        return self.codec.encode(rows, kept)
