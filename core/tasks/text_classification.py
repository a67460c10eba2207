"""Text classification: one column of texts, one column of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from core.data.lake.view import View
from core.data.several_labels import label_text
from core.tasks.base import Fit
from core.tasks.classification import Classification
from core.tasks.facts import TableFacts
from core.tasks.pieces import Pieces
from core.tasks.preprocessing import Reading
from core.tasks.targets import can_classify, chosen_target, is_classes, separator
from core.tasks.texts import OfTexts, chosen_text, is_prose, words_of
from core.tasks.words import Words


class TextClassification(OfTexts, Classification):
    """Which class a text belongs to."""

    name: ClassVar[str] = "text-classification"
    summary: ClassVar[str] = "which class a text belongs to"
    needs: ClassVar[str] = "a column of texts and a column of classes"

    def __init__(
        self,
        column: str,
        target: str,
        labels: Sequence[str],
        words: Words | Pieces,
        *,
        notes: Sequence[str] = (),
        counts: Sequence[int] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.labels = tuple(labels)
        self.counts = tuple(counts)
        self.words = words
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        answer = chosen_target(facts, target, inputs)
        text = chosen_text(facts, answer, inputs)
        if text is None or answer is None:
            return None
        if not can_classify(answer, facts, named=target is not None):
            return None
        score = 0.8 if is_prose(text) else 0.3
        if answer.is_number and not is_classes(answer, facts):
            score = 0.1
        return Fit(
            cls.name,
            (text.name,),
            answer.name,
            score,
            f"{text.name} holds texts of {text.words:.0f} words, {answer.name} classes",
            separator=separator(answer),
        )

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        labels, notes = cls.learn_labels(view, fit, split)
        (column,) = fit.inputs
        words = cls.learn_words(
            view,
            fit,
            split,
            options=options,
            reading=reading,
            known=lambda label: label_text(label) is not None,
        )
        told = (*fit.notes, *notes)
        return cls(
            column, fit.target, tuple(labels), words, notes=told, counts=tuple(labels.values())
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "labels": list(self.labels),
            "counts": list(self.counts),
            **self.words.to_json(),
            "notes": list(self.notes),
        }

    @classmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        counts = codec.get("counts", ())
        return cls(
            codec["column"],
            codec["target"],
            codec["labels"],
            words_of(codec),
            notes=codec["notes"],
            counts=counts,
        )

    @property
    def shape(self) -> dict[str, Any]:
        return self.text_shape(len(self.labels))
