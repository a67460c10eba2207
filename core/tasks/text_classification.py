"""Text classification: one column of texts, one column of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.data.lake.view import View
from core.errors import LeptonError
from core.options import Option, resolved
from core.tasks.base import Fit
from core.tasks.classification import Array, Classification
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.pieces import Pieces
from core.tasks.preprocessing import Reading, TextReading
from core.tasks.rows import label_text, place, take, values
from core.tasks.targets import can_classify, chosen_target, separator
from core.tasks.words import Words

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Arrays, Rows


class TextClassification(Classification):
    """Which class a text belongs to."""

    name: ClassVar[str] = "text-classification"
    summary: ClassVar[str] = "which class a text belongs to"
    needs: ClassVar[str] = "a column of texts and a column of classes"
    reads: ClassVar[str] = "tokens"
    architectures: ClassVar[tuple[str, ...]] = ("lstm", "transformer", "bert", "modernbert")
    takes_pretrained: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("length", 0, "words of a text that are read", 1, 10_000, auto=True),
        Option("vocabulary", 0, "words that are known", 1, 100_000, auto=True),
    )

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
        named = [facts.column(name) for name in inputs or ()]
        texts = [
            column for column in named or facts.columns if column.is_text and column is not answer
        ]
        if not texts or len(named) > 1 or answer is None:
            return None
        if not can_classify(answer, facts, named=target is not None):
            return None
        text = max(texts, key=lambda column: column.length)
        score = 0.8 if is_prose(text) else 0.3
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
        chosen = resolved(cls.options, options or {}, cls.name)
        labels, notes = cls.learn_labels(view, fit, split)
        (column,) = fit.inputs

        def texts() -> Iterator[str]:
            for batch in view.batches([column, fit.target], split=split):
                for text, label in zip(
                    values(batch, column), values(batch, fit.target), strict=True
                ):
                    if text is not None and label_text(label) is not None:
                        yield text

        words: Words | Pieces
        if isinstance(reading, TextReading):
            words = Pieces.learn(reading, texts(), chosen["length"])
        else:
            words = Words.learn(texts(), chosen["length"], chosen["vocabulary"])
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
        length = int(codec["length"])
        words = (
            Pieces(codec["tokenizer"], int(codec["pad"]), length)
            if "tokenizer" in codec
            else Words(tuple(codec["vocabulary"]), length)
        )
        counts = codec.get("counts", ())
        return cls(
            codec["column"],
            codec["target"],
            codec["labels"],
            words,
            notes=codec["notes"],
            counts=counts,
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": self.reads,
            "vocabulary": self.words.size,
            "length": self.words.length,
            "outputs": len(self.labels),
        }

    @property
    def marks(self) -> tuple[int, ...]:
        return self.words.marks if isinstance(self.words, Pieces) else ()

    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        (column,) = self.columns
        texts = values(rows, column)
        for at, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                raise LeptonError(
                    f"{text!r} is no text", where=f"column {column}, {place(rows, at)}"
                )
        return self.words.encode(texts if kept is None else take(texts, kept))

    def inputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        # Cut to the longest text of the batch: the models do not look at padding.
        longest = int(batch["length"].max())
        return batch["tokens"][:, :longest], batch["length"]

    def row(self, given: object) -> dict[str, Any]:
        """A text alone is a row too."""
        if isinstance(given, str):
            return {self.columns[0]: given}
        return super().row(given)


def is_prose(column: ColumnFacts) -> bool:
    """Whether a text column holds sentences rather than names, codes or categories."""
    return column.is_text and (column.words >= 6 or (column.length >= 40 and column.words >= 2))
