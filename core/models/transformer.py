"""A Transformer encoder over word vectors, normalised before each part (pre-norm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import UsageError
from core.models.tokens import masked_mean, text_mask


class Layer(nn.Module):
    """Attention and a feed-forward part, each beside a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, t, width = x.shape
        parts = self.attend(self.before_attention(x)).view(n, t, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.attended(found.transpose(1, 2).reshape(n, t, width)))
        fed: Tensor = x + self.dropout(self.feed(self.before_feed(x)))
        return fed


class Transformer(nn.Module):
    """Tokens int [n, t] and lengths int [n] to logits [n, outputs]; padding is never looked at."""

    def __init__(
        self,
        vocabulary: int,
        length: int,
        outputs: int,
        *,
        width: int,
        heads: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        self.place = nn.Embedding(length, width)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.embedded(tokens, length)))
        return logits

    def embedded(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Each text as one vector, [n, width]."""
        mask = text_mask(tokens, length)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.dropout(self.embed(tokens) + self.place(places))
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        return masked_mean(self.norm(x), mask)


def build(
    shape: Mapping[str, Any], *, width: int, heads: int, layers: int, dropout: float
) -> nn.Module:
    if width % heads:
        raise UsageError(
            f"width={width} cannot be divided among heads={heads}", where="options of transformer"
        )
    model = Transformer(
        shape["vocabulary"],
        shape["length"],
        shape["outputs"],
        width=width,
        heads=heads,
        layers=layers,
        dropout=dropout,
    )
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            # Parts that add to the shortcut start smaller, the deeper the network the more.
            deep = name.endswith(("attended.weight", "feed.2.weight"))
            nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5 if deep else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)
    model.embed.weight.data[0] = 0
    return model
