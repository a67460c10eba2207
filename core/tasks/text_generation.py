"""Text generation: one column of texts, and a model that says how a text goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from core.data.lake.layout import ROW_ID
from core.data.lake.view import View, quoted
from core.errors import LeptonError
from core.generation.chat import ChatTemplate, Prompt
from core.generation.sampling import Sampling, TooLong
from core.options import Option, resolved
from core.tasks.base import Fit, Task
from core.tasks.byte_pairs import BytePairs
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.preprocessing import Reading, TextReading
from core.tasks.ragged import Ragged
from core.tasks.reading import LeftOut
from core.tasks.rows import condition, place, values
from core.tasks.scoring import Scorer
from core.tasks.texts import is_prose
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from core.generation.decoder import Decoder
    from core.generation.generation import Generation
    from core.tasks.base import Array, Arrays, Batch, Rows

BLOCK = 128
"""Pieces of a block of text, usually."""
NOTHING = -1
"""Where a block has no more text."""
LEAST_BYTES = 2000
MOST_LOGITS = 1 << 24
USUAL = Sampling(max_tokens=64, seed=0)
"""How a row is gone on with."""
_SNIPPET = 160


class TextGeneration(Task):
    """How a text goes on.

    Texts lie end to end, the end of each marked, and are cut into blocks of `length` pieces; the
    target of a piece is the one after it. Every byte of a split is a target once.
    """

    name: ClassVar[str] = "text-generation"
    summary: ClassVar[str] = "how a text goes on"
    needs: ClassVar[str] = "a column of texts"
    reads: ClassVar[str] = "tokens"
    gives: ClassVar[str] = "text"
    talks: ClassVar[bool] = True
    architectures: ClassVar[tuple[str, ...]] = ("gpt", "gpt2", "llama")
    metric: ClassVar[str] = "bits_per_byte"
    higher_is_better: ClassVar[bool] = False
    takes_pretrained: ClassVar[bool] = True
    in_order: ClassVar[bool] = True
    example: ClassVar[str] = "block"
    options: ClassVar[tuple[Option, ...]] = (
        Option("length", 0, "pieces of a block of text", 2, 8192, auto=True),
        Option(
            "vocabulary",
            0,
            "pieces, with all bytes and the end of a text",
            257,
            100_000,
            auto=True,
        ),
    )

    def __init__(
        self,
        column: str,
        pairs: BytePairs,
        length: int,
        counts: Sequence[int],
        notes: Sequence[str] = (),
        *,
        context: int | None = None,
        chat: ChatTemplate | None = None,
    ) -> None:
        self.columns = (column,)
        self.target = column
        self.pairs = pairs
        self.length = length
        self.counts = tuple(counts)
        self.notes = tuple(notes)
        self.context = max(length, context or 0)
        """Pieces of a text and what it goes on with, at most."""
        self.chat = chat or ChatTemplate()

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [*dict.fromkeys([*(inputs or ()), *([target] if target else ())])]
        if len(named) > 1:
            return None
        texts = [facts.column(name) for name in named] or [*facts.columns]
        texts = [column for column in texts if _is_running_text(column)]
        if not texts:
            return None
        text = max(texts, key=lambda column: column.length)
        alone = len(facts.columns) == 1
        why = f"{text.name} holds texts of {text.words:.0f} words"
        return Fit(cls.name, (text.name,), text.name, 0.7 if alone else 0.02, why)

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        _size(view, fit.target, None)

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
        (column,) = fit.inputs
        size = _size(view, column, split)

        def texts() -> Iterator[str]:
            for batch in view.batches([column], split=split):
                yield from (text for text in values(batch, column) if text)

        length = chosen["length"] or BLOCK
        taken: dict[str, Any] = {}
        if isinstance(reading, TextReading):
            # It learns to begin where another text has ended, and to end so.
            pairs = BytePairs(reading.tokenizer, reading.end)
            length = reading.length(chosen["length"], BLOCK)
            taken = {"context": reading.most, "chat": reading.chat}
        else:
            pairs = BytePairs.learn(texts(), chosen["vocabulary"], size)
        counts = np.zeros(pairs.size, np.int64)
        for batch in view.batches([column], split=split):
            known = [text for text in values(batch, column) if text]
            for pieces in pairs.encode(known):
                np.add.at(counts, pieces, 1)
            counts[pairs.end] += len(known)
        return cls(column, pairs, length, counts.tolist(), fit.notes, **taken)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "tokenizer": self.pairs.written,
            "end": self.pairs.end,
            "length": self.length,
            "counts": list(self.counts),
            "notes": list(self.notes),
            "context": self.context,
            "start": self.pairs.start,
            "ends": self.pairs.ends,
            "chat": self.chat.to_json(),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        pairs = BytePairs(
            codec["tokenizer"],
            int(codec.get("end", 0)),
            start=codec.get("start"),
            ends=codec.get("ends", ()),
        )
        return cls(
            codec["column"],
            pairs,
            int(codec["length"]),
            codec["counts"],
            codec["notes"],
            context=codec.get("context"),
            chat=ChatTemplate.from_json(codec.get("chat") or {}),
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": "next-token",
            "vocabulary": len(self.counts),
            "length": self.length,
            "outputs": len(self.counts),
        }

    @property
    def at_once(self) -> int:
        return max(1, MOST_LOGITS // (self.length * len(self.counts)))

    def examples(
        self, batches: Iterable[pa.RecordBatch], left_out: LeftOut | None = None
    ) -> Iterator[Arrays]:
        """Blocks of text, each with the row it begins in."""
        end = self.pairs.end
        stream: list[int] = [end]
        rows: list[int] = [0]
        for batch in batches:
            texts = values(batch, self.target)
            rids = batch.column(ROW_ID).to_pylist()
            known = [at for at, text in enumerate(texts) if text]
            if left_out is not None:
                left_out.without_target += len(texts) - len(known)
            for at, pieces in zip(
                known, self.pairs.encode([texts[at] for at in known]), strict=True
            ):
                if len(stream) == 1:
                    rows[0] = rids[at]
                stream += [*pieces, end]
                rows += [rids[at]] * (len(pieces) + 1)
            whole = (len(stream) - 1) // self.length
            if whole:
                yield self._blocks(stream, rows, whole)
                # The last piece of a block is the first that the next one reads.
                stream, rows = stream[whole * self.length :], rows[whole * self.length :]
        if len(stream) > 1:
            yield self._blocks(stream, rows, 1)

    def _blocks(self, stream: list[int], rows: list[int], count: int) -> Arrays:
        pieces = np.full(count * self.length + 1, NOTHING, np.int32)
        pieces[: min(len(stream), len(pieces))] = stream[: len(pieces)]
        tokens = pieces[:-1].reshape(count, self.length)
        return {
            "tokens": np.maximum(tokens, 0),
            "target": pieces[1:].reshape(count, self.length),
            ROW_ID: np.array(rows[: count * self.length : self.length], np.int64),
        }

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """The beginnings that are to go on, "tokens", `Ragged` int32; see `examples`."""
        texts = values(rows, self.target)
        for at, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                where = f"column {self.target}, {place(rows, at)}"
                raise LeptonError(f"{text!r} is no text", where=where)
        pieces = [self.pairs.prompt(text or "") for text in texts]
        for at, known in enumerate(pieces):
            if len(known) >= self.context:
                where = f"column {self.target}, {place(rows, at)}"
                raise TooLong.of(len(known), self.context, where)
        tokens = Ragged.of_codes(pieces)
        made: Arrays = {"tokens": tokens}
        if target:
            made |= {"target": tokens, "row": np.arange(len(pieces))}
        return made

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return (batch["tokens"],)

    def loss(self, outputs: Tensor, batch: Batch, weight: Tensor | None = None) -> Tensor:
        from torch.nn import functional as F

        target = batch["target"].long()
        return F.cross_entropy(outputs.flatten(0, 1), target.flatten(), ignore_index=NOTHING)

    def naive(self, batch: Batch) -> Tensor:
        """Each piece as likely as it is in the training texts, whatever came before."""
        import torch

        target = batch["target"]
        counts = torch.tensor(self.counts, dtype=torch.float32, device=target.device) + 0.5
        return (counts / counts.sum()).log().expand(*target.shape, -1)

    def keep(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of each block: the sum of its losses, and how many pieces, of them right, and bytes."""
        import torch

        target = batch["target"].long()
        known = target != NOTHING
        place = target.clamp(min=0)
        loss = outputs.logsumexp(-1) - outputs.gather(-1, place[..., None])[..., 0]
        right = (outputs.argmax(-1) == target) & known
        widths = torch.from_numpy(self.pairs.widths).to(target.device)
        kept = (loss.float() * known, known, right, widths[place] * known)
        return torch.stack([each.float().sum(1) for each in kept], 1)

    def scorer(self, found: Array, target: Array) -> Scorer:
        kept = found.astype(np.float64)

        def of(counts: Array) -> dict[str, float]:
            loss, pieces, right, size = counts @ kept
            return {
                "bits_per_byte": float(loss / np.log(2) / max(1.0, size)),
                "perplexity": float(np.exp(min(700.0, loss / max(1.0, pieces)))),
                "accuracy": float(right / max(1.0, pieces)),
            }

        return Scorer(of, len(found))

    def verdicts(self, found: Array, target: Array) -> Verdicts:
        """The worst are the blocks that the model needs most bits for."""
        bits = found[:, 0].astype(np.float64) / np.log(2) / np.maximum(1, found[:, 3])
        return Verdicts(
            badness=bits,
            told=bits,
            measure=ERROR,
            truth=lambda at: self._passage(target[at])[:_SNIPPET],
            answer=lambda at: f"{bits[at]:.2f} bits a byte",
        )

    def _passage(self, pieces: Array) -> str:
        """What a block says, with a mark between two texts."""
        ends = np.flatnonzero(pieces == 0)
        texts = [self.pairs.decode(text.tolist()) for text in np.split(pieces, ends)]
        return " ¶ ".join(text for text in texts if text)

    def solve(self, module: nn.Module, batch: Batch) -> Tensor:
        """What each text goes on with: piece by piece, of the likelier ones, by one seed.

        A block of a text leaves no room to go on with; its second half is gone on with.
        """
        import torch

        from core.generation.generation import finish

        rows = batch["tokens"].tolist()
        half = max(1, self.length // 2)
        ends = batch["tokens_length"].tolist() if "tokens_length" in batch else None
        begun = [row[-half:] if ends is None else row[: ends[at]] for at, row in enumerate(rows)]
        generations = [self.going_on(each, USUAL) for each in begun]
        finish(cast("Decoder", module), generations)
        found = torch.full((len(rows), USUAL.max_tokens), float(NOTHING))
        for at, each in enumerate(generations):
            found[at, : len(each.pieces)] = torch.tensor(each.pieces)
        return found

    def generation(self, prompt: Prompt, sampling: Sampling) -> Generation:
        if isinstance(prompt, str):
            echoed = len(self.pairs.encode([prompt])[0]) if sampling.echo else 0
            return self.going_on(self.pairs.prompt(prompt), sampling, echoed)
        said = self.pairs.prompt(self.chat.written(prompt), begun=self.chat.begun)
        return self.going_on(said, sampling.ending(self.chat.stops))

    def going_on(self, prompt: Sequence[int], sampling: Sampling, echoed: int = 0) -> Generation:
        """A text that goes on from these pieces; raises as `generation` does."""
        from core.generation.generation import Generation

        vocabulary, context = len(self.counts), self.context
        return Generation(
            prompt, self.pairs, sampling, context=context, vocabulary=vocabulary, echoed=echoed
        )

    def answers(self, found: Array) -> list[Any]:
        return [{"text": self.pairs.decode(row.astype(int).tolist())} for row in found]

    def row(self, given: object) -> dict[str, Any]:
        """A text alone is a row too."""
        if isinstance(given, str):
            return {self.target: given}
        return super().row(given)


def codec_of_reading(reading: TextReading) -> dict[str, Any]:
    """What a pretrained model brings for going on with texts, for a codec."""
    return {
        "context": reading.most,
        "start": None if reading.start is None else list(reading.start),
        "ends": list(reading.ends),
        "chat": (reading.chat or ChatTemplate()).to_json(),
    }


def _is_running_text(column: ColumnFacts) -> bool:
    return column.is_text and (is_prose(column) or column.length >= 20)


def _size(view: View, column: str, split: str | None) -> int:
    """The bytes of a split's texts.

    Raises:
        LeptonError: they are too few to learn from.
    """
    where, parameters = condition(view, split)
    ((size,),) = view.sql(
        f"SELECT coalesce(sum(strlen({quoted(column)})), 0) FROM rows WHERE {where}", parameters
    )
    if size < LEAST_BYTES:
        raise LeptonError(
            f"the column {column} holds {size:,} bytes of text, too few to learn from",
            where=f"{view.version.ref}, {split} split" if split else view.version.ref,
            hint=f"Bring in more text; {LEAST_BYTES:,} bytes are the least.",
        )
    return int(size)
