"""What a language model has to know to go on with texts, and what it remembers of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

BEGINNING = 64
"""Places that there is room for at first; then twice as many, each time they are taken."""


class Decoder(Protocol):
    """A module that goes on with texts, each of which has a cache of its own."""

    def new_cache(self) -> Any:
        """What is remembered of a text that has not begun."""

    def next_logits(self, tokens: Tensor, caches: Sequence[Any]) -> Tensor:
        """Tokens int [n, t], the next ones of n texts, to the logits of what then comes, float
        [n, vocabulary]. The caches remember them.

        Several texts at once are given one token each.
        """

    def held(self, cache: Any) -> int:
        """Bytes that a cache takes."""

    def output_weight(self) -> Tensor:
        """The matrix that makes logits of a state, [vocabulary, width]."""


class Layer:
    """The keys and values of one layer and one text, [1, heads, places, size] each."""

    def __init__(self) -> None:
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    @property
    def bytes(self) -> int:
        return sum(each.nbytes for each in (self._keys, self._values) if each is not None)

    def add(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values, with these as the newest."""
        end = self.length + keys.shape[2]
        if self._keys is None or self._values is None or end > self._keys.shape[2]:
            self._keys = self._larger(self._keys, keys, end)
            self._values = self._larger(self._values, values, end)
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def _larger(self, known: Tensor | None, like: Tensor, places: int) -> Tensor:
        room = BEGINNING
        while room < places:
            room *= 2
        made = like.new_empty(*like.shape[:2], room, like.shape[3])
        if known is not None:
            made[:, :, : self.length] = known[:, :, : self.length]
        return made


class KeyValues:
    """What attention remembers of one text: the keys and values of each layer."""

    def __init__(self, layers: int) -> None:
        self.layers = [Layer() for _ in range(layers)]

    @property
    def length(self) -> int:
        """Tokens that are remembered."""
        return self.layers[0].length

    @property
    def bytes(self) -> int:
        return len(self.layers) * self.layers[0].bytes


def lay_by_columns(decoder: Any) -> None:
    """Lay the matrices of a decoder that is on the processor out anew: by columns, end to end.

    Each piece costs the product of every matrix with one vector, and that is as quick as they are
    read. BLAS reads them so in 0.55 to 0.9 of the time that it takes by rows, and many vectors at
    once in the same (measured; in half precision rows are quicker). In one piece of memory they
    share large pages, and none lies where it drives another one out of the cache.
    """
    linear = {id(each.weight) for each in decoder.modules() if isinstance(each, nn.Linear)}
    linear.add(id(decoder.output_weight()))
    matrices = [
        each
        for each in decoder.parameters()
        if each.dim() == 2 and each.device.type == "cpu" and each.dtype == torch.float32
    ]
    sizes = [each.numel() for each in matrices]
    rooms = torch.split(torch.empty(sum(sizes)), sizes)
    for matrix, room in zip(matrices, rooms, strict=True):
        rows, columns = matrix.shape
        by_columns = id(matrix) in linear
        laid = room.view(columns, rows).t() if by_columns else room.view(rows, columns)
        matrix.data = laid.copy_(matrix.data)


def attended(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of the newest places to all before and to themselves.

    Query [1, heads, t, size], keys and values [1, heads, places, size], to [1, heads, t, size].
    """
    count, places = query.shape[2], keys.shape[2]
    mask = None
    if 1 < count < places:
        there = torch.ones(count, places, dtype=torch.bool, device=query.device)
        mask = there.tril(places - count)
    return torch.nn.functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=mask, is_causal=1 < count == places
    )
