"""Transcripts piece by piece, by a decoder that reads what it has written so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.errors import LeptonError
from core.tasks.byte_pairs import BytePairs
from core.tasks.preprocessing import Seq2SeqReading
from core.tasks.transcribing import SURE, Transcribing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.tasks.base import Array, Batch
    from core.tasks.transcribing import Sounds

MOST_LOGITS = 1 << 26
USUAL = 64
"""Pieces of a transcript by which the memory for a batch is reckoned."""


class Seq2Seq(Transcribing):
    """Sequence to sequence: cross-entropy over the pieces of a transcript as it is written.

    A transcript is written after `prefix` and closed by the pairs' own end, in up to `most` pieces
    with it. A model never says what is `silent`, and does not begin with what is `silent_first`.
    """

    kind: ClassVar[str] = "speech-seq2seq"

    def __init__(
        self,
        pairs: BytePairs,
        prefix: Sequence[int],
        most: int,
        *,
        silent: Sequence[int] = (),
        silent_first: Sequence[int] = (),
    ) -> None:
        self.pairs = pairs
        self.prefix = tuple(prefix)
        self.most = most
        self.silent = tuple(silent)
        self.silent_first = tuple(silent_first)

    @classmethod
    def learn(cls, counts: Mapping[str, int], reading: Seq2SeqReading, language: str) -> Seq2Seq:
        """The model's own pieces, or those learnt from transcripts with how often each stands
        there.

        Raises:
            UsageError: the model knows no such language.
        """
        if reading.tokenizer:
            pairs, prefix = BytePairs(reading.tokenizer, reading.end), reading.prefix(language)
        else:
            texts = [_spaced(text) for text, times in counts.items() for _ in range(times)]
            pairs = BytePairs.learn(texts, 0, sum(map(len, texts)))
            prefix = (*reading.prefix(language), pairs.end)
        return cls(
            pairs,
            prefix,
            reading.most - len(prefix),
            silent=reading.silent,
            silent_first=reading.silent_first,
        )

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Seq2Seq:
        return cls(
            BytePairs(codec["tokenizer"], int(codec["end"])),
            tuple(map(int, codec["prefix"])),
            int(codec["most"]),
            silent=tuple(map(int, codec["silent"])),
            silent_first=tuple(map(int, codec["silent_first"])),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "tokenizer": self.pairs.written,
            "end": self.pairs.end,
            "prefix": list(self.prefix),
            "most": self.most,
            "silent": list(self.silent),
            "silent_first": list(self.silent_first),
        }

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "prefix": list(self.prefix),
            "end": self.pairs.end,
            "most": self.most,
            "silent": list(self.silent),
            "silent_first": list(self.silent_first),
            "outputs": self.pairs.size,
        }

    @property
    def at_once(self) -> int:
        return max(1, min(32, MOST_LOGITS // (USUAL * self.pairs.size)))

    def encode(self, text: str) -> Array:
        (pieces,) = self.pairs.encode([_spaced(text)])
        if len(pieces) >= self.most:
            raise LeptonError(
                f"the transcript is {len(pieces)} pieces long, and the model writes"
                f" {self.most - 1} at most",
                hint="Cut the sound and what is said in it into parts.",
            )
        return np.array([*pieces, self.pairs.end], np.int32)

    def decode(self, codes: Iterable[float]) -> str:
        return " ".join(self.pairs.decode([int(code) for code in codes]).split())

    def arguments(self, batch: Batch) -> tuple[Tensor, ...]:
        """What the decoder reads, int64 [n, pieces]: `prefix`, and the target but for its end."""
        if "target" not in batch:
            return ()
        import torch

        target = batch["target"].long()
        prefix = target.new_tensor(self.prefix).expand(len(target), -1)
        return (torch.cat([prefix, target[:, :-1]], 1),)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        import torch
        from torch.nn import functional as F

        target, length = batch["target"].long(), batch["target_length"]
        logits = outputs[:, : target.shape[1]].float()
        each = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
        known = torch.arange(target.shape[1], device=target.device) < length[:, None]
        return ((each * known).sum(1) / length).mean()

    def naive(self, text: str, batch: Batch) -> Tensor:
        import torch

        target = batch["target"]
        codes = torch.from_numpy(self.encode(text)).long()
        said = torch.full((max(len(codes), target.shape[1]),), self.pairs.end)
        said[: len(codes)] = codes
        chances = torch.full((len(said), self.pairs.size), (1 - SURE) / (self.pairs.size - 1))
        chances[torch.arange(len(said)), said] = SURE
        return chances.log().to(target.device).expand(len(target), -1, -1)

    def keep(self, outputs: Tensor) -> Tensor:
        codes = outputs.argmax(-1)
        over = (codes == self.pairs.end).cumsum(1) > 0
        return codes.masked_fill(over, -1).float()

    def said(self, module: nn.Module, sounds: Sounds, outputs: Any = None) -> Tensor:
        """With its own words before it, and not with those of the target."""
        writer: Any = module
        codes: Tensor = writer.write(*sounds)
        return codes.float()


def _spaced(text: str) -> str:
    """As it stands in a longer text: a word is written the same at the beginning and inside."""
    return " " + " ".join(text.split())
