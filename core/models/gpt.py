"""A decoder-only Transformer that says which token comes next (GPT), with today's usual parts.

Normalised before each part by RMSNorm (Zhang & Sennrich 2019), places by rotation (RoPE, Su et al.
2021), SwiGLU (Shazeer 2020), and one matrix for reading and for saying tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import UsageError
from core.generation.decoder import KeyValues, Layer, attended
from core.models.tokens import masked_mean, text_mask

_BASE = 10_000.0


class Block(nn.Module):
    """Attention to what came before, and a feed-forward part, each beside a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        hidden = 8 * -(-width * 8 // 3 // 8)
        self.before_attention = nn.RMSNorm(width)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.attended = nn.Linear(width, width, bias=False)
        self.before_feed = nn.RMSNorm(width)
        self.feed = nn.Linear(width, 2 * hidden, bias=False)
        self.fed = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = self._parts(x, turn)
        chance = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=chance)
        return self._beside(x, found)

    def go_on(self, x: Tensor, turn: tuple[Tensor, Tensor], known: Sequence[Layer]) -> Tensor:
        """The same of the next places of n texts, each of which remembers those before."""
        query, key, value = self._parts(x, turn)
        found = []
        for at, layer in enumerate(known):
            mine = slice(at, at + 1)
            found.append(attended(query[mine], *layer.add(key[mine], value[mine])))
        return self._beside(x, torch.cat(found))

    def _parts(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, [n, heads, t, size] each."""
        n, t, _ = x.shape
        parts = self.attend(self.before_attention(x)).view(n, t, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return turned(query, turn), turned(key, turn), value

    def _beside(self, x: Tensor, found: Tensor) -> Tensor:
        """What comes after attention."""
        found = self.attended(found.transpose(1, 2).reshape(x.shape))
        x = x + F.dropout(found, self.dropout, self.training)
        gate, value = self.feed(self.before_feed(x)).chunk(2, dim=-1)
        return x + F.dropout(self.fed(F.silu(gate) * value), self.dropout, self.training)


class GPT(nn.Module):
    """Tokens int [n, t] to the logits of each one's successor, [n, t, vocabulary]."""

    def __init__(
        self, vocabulary: int, *, width: int, heads: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.size = width // heads
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self._states(tokens), self.embed.weight)

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width], of tokens [n, t] and lengths [n]."""
        return masked_mean(self._states(tokens), text_mask(tokens, length))

    def _states(self, tokens: Tensor) -> Tensor:
        turn = turns(torch.arange(tokens.shape[1], device=tokens.device), self.size)
        x = F.dropout(self.embed(tokens), self.dropout, self.training)
        for block in self.blocks:
            x = block(x, turn)
        normed: Tensor = self.norm(x)
        return normed

    def new_cache(self) -> KeyValues:
        return KeyValues(len(self.blocks))

    def held(self, cache: KeyValues) -> int:
        return cache.bytes

    def output_weight(self) -> Tensor:
        return self.embed.weight

    def next_logits(self, tokens: Tensor, caches: Sequence[KeyValues]) -> Tensor:
        """See `core.generation.decoder.Decoder`."""
        before = torch.tensor([cache.length for cache in caches], device=tokens.device)
        places = before[:, None] + torch.arange(tokens.shape[1], device=tokens.device)
        cosine, sine = turns(places, self.size)
        turn = cosine[:, None], sine[:, None]
        x = self.embed(tokens)
        for at, block in enumerate(self.blocks):
            known = [cache.layers[at] for cache in caches]
            x = block.go_on(x, turn, known)  # type: ignore[operator]
        return F.linear(self.norm(x[:, -1]), self.embed.weight)


def turns(places: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles of places int [...], float32 [..., size / 2] each."""
    powers = torch.arange(0, size, 2, device=places.device, dtype=torch.float32) / size
    angles = places.float()[..., None] / _BASE**powers
    return angles.cos(), angles.sin()


def turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair of numbers of x [..., t, size] turned by the angle of its place."""
    cosine, sine = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1).to(
        x.dtype
    )


def build(
    shape: Mapping[str, Any], *, width: int, heads: int, layers: int, dropout: float
) -> nn.Module:
    if width % (2 * heads):
        raise UsageError(
            f"width={width} cannot be divided among heads={heads} in pairs",
            where="options of gpt",
        )
    model = GPT(shape["vocabulary"], width=width, heads=heads, layers=layers, dropout=dropout)
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            # Parts that add to the shortcut start smaller, the deeper the network the more.
            deep = name.endswith(("attended.weight", "fed.weight"))
            nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5 if deep else 0.02)
    return model
