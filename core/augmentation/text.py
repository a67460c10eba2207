"""Augmentations of texts, on tokens: drop and swap, two of EDA's four (Wei & Zou 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.augmentation.base import MARKS, TOKENS, Augmentation, Batch, part
from core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from core.augmentation.chance import Chance


@dataclass(frozen=True)
class Drop(Augmentation):
    """Random deletion: each word goes with the same chance; of a text one at least stays."""

    name: ClassVar[str] = "drop"
    summary: ClassVar[str] = "leave words out"
    kinds: ClassVar[tuple[str, ...]] = (TOKENS,)

    words: float = setting("The part of the words that goes", 0.1, least=0, most=1)
    p: float = part(1.0)

    @property
    def reorders(self) -> bool:
        return bool(self.words)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        tokens, length = batch["tokens"], batch["tokens_length"]
        place = torch.arange(tokens.shape[1], device=tokens.device)
        there = place < length[:, None]
        own = _own(batch, there)
        draw = chance.uniform(self.name, 1 + tokens.shape[1])
        luck = torch.where(own, draw[:, 1:], -1.0)
        kept = (luck >= self.words) | (draw[:, :1] >= self.p) | ~own
        # The luckiest of a text stays, whatever its chance was.
        kept = (kept | (luck == luck.amax(1, keepdim=True))) & there
        first = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
        left = kept.sum(1, dtype=length.dtype)
        packed = tokens.gather(1, first) * (place < left[:, None])
        return {**batch, "tokens": packed, "tokens_length": left}


@dataclass(frozen=True)
class Swap(Augmentation):
    """Random swap: pairs of words anywhere in the text change places, each word once at most."""

    name: ClassVar[str] = "swap"
    summary: ClassVar[str] = "let pairs of words change places"
    kinds: ClassVar[tuple[str, ...]] = (TOKENS,)

    words: float = setting("Swaps for each word; one at least", 0.1, least=0, most=0.5)
    p: float = part(1.0)

    @property
    def reorders(self) -> bool:
        return bool(self.words)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        tokens, length = batch["tokens"], batch["tokens_length"]
        rank = torch.arange(tokens.shape[1], device=tokens.device)
        draw = chance.uniform(self.name, 1 + tokens.shape[1])
        own = _own(batch, rank < length[:, None])
        count = own.sum(1)
        pairs = (self.words * count).round().clamp(min=1 if self.words else 0)
        pairs = torch.minimum(pairs, count // 2).masked_fill(draw[:, 0] >= self.p, 0)
        # Words in a random order, those that are none last: the first and second of it change
        # places, the third and fourth, and so on.
        order = draw[:, 1:].masked_fill(~own, 2).argsort(dim=1, stable=True)
        partner = torch.where(rank < 2 * pairs[:, None], rank ^ 1, rank)
        swapped = tokens.scatter(1, order, tokens.gather(1, order.gather(1, partner)))
        return {**batch, "tokens": swapped}


def _own(batch: Batch, there: Tensor) -> Tensor:
    """Which tokens are the text's own, bool [n, longest]: a pretrained model's marks stay."""
    import torch

    return there & ~torch.isin(batch["tokens"], batch[MARKS]) if MARKS in batch else there
