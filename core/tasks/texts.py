"""What the tasks share that read one column of texts: its words or pieces, and how they go in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.data.lake.view import View
from core.errors import LeptonError
from core.options import Option, resolved
from core.tasks.base import Fit, Task
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.pieces import Pieces
from core.tasks.preprocessing import Reading, TextReading
from core.tasks.rows import place, take, values
from core.tasks.words import Words

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Arrays, Rows

Array = np.ndarray[Any, Any]


class OfTexts(Task):
    """A task that reads texts, as words that it learnt or as a pretrained model's pieces."""

    reads: ClassVar[str] = "tokens"
    architectures: ClassVar[tuple[str, ...]] = ("lstm", "transformer", "bert", "modernbert")
    takes_pretrained: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("length", 0, "words of a text that are read", 1, 10_000, auto=True),
        Option("vocabulary", 0, "words that are known", 1, 100_000, auto=True),
    )
    words: Words | Pieces

    @classmethod
    def learn_words(
        cls,
        view: View,
        fit: Fit,
        split: str | None,
        *,
        options: Mapping[str, Any] | None,
        reading: Reading | None,
        known: Callable[[Any], bool],
    ) -> Words | Pieces:
        """What is known of the texts of one split, of rows whose target is `known`."""
        chosen = resolved(cls.options, options or {}, cls.name)
        (column,) = fit.inputs

        def texts() -> Iterator[str]:
            for batch in view.batches([column, fit.target], split=split):
                for text, target in zip(
                    values(batch, column), values(batch, fit.target), strict=True
                ):
                    if text is not None and known(target):
                        yield text

        if isinstance(reading, TextReading):
            return Pieces.learn(reading, texts(), chosen["length"])
        return Words.learn(texts(), chosen["length"], chosen["vocabulary"])

    def text_shape(self, outputs: int) -> dict[str, Any]:
        """The `shape`, with so many outputs."""
        return {
            "kind": self.reads,
            "vocabulary": self.words.size,
            "length": self.words.length,
            "outputs": outputs,
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
        return {"tokens": self.words.encode(texts if kept is None else take(texts, kept))}

    def inputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Tokens, filled up as the model knows it, and lengths."""
        import torch

        tokens, length = batch["tokens"], batch["tokens_length"]
        if self.words.pad:
            # Some tell places, or where a text ends, by what it is filled up with.
            place = torch.arange(tokens.shape[1], device=tokens.device)
            tokens = tokens.masked_fill(place >= length[:, None], self.words.pad)
        return tokens, length

    def row(self, given: object) -> dict[str, Any]:
        """A text alone is a row too."""
        if isinstance(given, str):
            return {self.columns[0]: given}
        return super().row(given)


def words_of(codec: Mapping[str, Any]) -> Words | Pieces:
    """What a codec knows of texts."""
    length = int(codec["length"])
    if "tokenizer" in codec:
        return Pieces(codec["tokenizer"], int(codec["pad"]), length)
    return Words(tuple(codec["vocabulary"]), length)


def chosen_text(
    facts: TableFacts, answer: ColumnFacts | None, named: Sequence[str] | None
) -> ColumnFacts | None:
    """The column of texts that a person names, or the longest; None where there is none."""
    columns = [facts.column(name) for name in named or ()]
    texts = [each for each in columns or facts.columns if each.is_text and each is not answer]
    if not texts or len(columns) > 1:
        return None
    return max(texts, key=lambda column: column.length)


def is_prose(column: ColumnFacts) -> bool:
    """Whether a text column holds sentences rather than names, codes or categories."""
    return column.is_text and (column.words >= 6 or (column.length >= 40 and column.words >= 2))
