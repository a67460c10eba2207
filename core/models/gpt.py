"""A decoder-only Transformer that says which token comes next (GPT), with today's usual parts.

Normalised before each part by RMSNorm (Zhang & Sennrich 2019), places by rotation (RoPE, Su et al.
2021), SwiGLU (Shazeer 2020), and one matrix for reading and for saying tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import UsageError

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
        n, t, width = x.shape
        parts = self.attend(self.before_attention(x)).view(n, t, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        chance = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(
            turned(query, turn), turned(key, turn), value, is_causal=True, dropout_p=chance
        )
        found = self.attended(found.transpose(1, 2).reshape(n, t, width))
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
        turn = turns(tokens.shape[1], self.size, tokens.device)
        x = F.dropout(self.embed(tokens), self.dropout, self.training)
        for block in self.blocks:
            x = block(x, turn)
        return F.linear(self.norm(x), self.embed.weight)


def turns(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each place's angles, float32 [length, size / 2] each."""
    powers = torch.arange(0, size, 2, device=device, dtype=torch.float32) / size
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] / _BASE**powers
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
