"""A multilayer perceptron over numbers and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_LARGEST_VECTOR = 32


class MLP(nn.Module):
    """Numbers float [n, k] and categories int [n, m] to outputs [n, outputs].

    Each category column has vectors of its own, of about the square root of its size; the vectors
    of an unknown (0) and a missing (1) value start at zero, so that they say nothing until trained.
    """

    def __init__(
        self,
        numbers: int,
        categories: Sequence[int],
        outputs: int,
        *,
        width: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        sizes = [min(_LARGEST_VECTOR, 1 + round(size**0.5)) for size in categories]
        self.embed = nn.ModuleList(
            nn.Embedding(size, vector) for size, vector in zip(categories, sizes, strict=True)
        )
        before = numbers + sum(sizes)
        hidden: list[nn.Module] = []
        for _ in range(layers):
            hidden += [nn.Linear(before, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            before = width
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(before, outputs)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        vectors = [embed(categories[:, at]) for at, embed in enumerate(self.embed)]
        inputs = torch.cat([numbers, *vectors], dim=1) if vectors else numbers
        outputs: Tensor = self.head(self.hidden(inputs))
        return outputs


def build(shape: Mapping[str, Any], *, width: int, layers: int, dropout: float) -> nn.Module:
    model = MLP(
        shape["numbers"],
        shape["categories"],
        shape["outputs"],
        width=width,
        layers=layers,
        dropout=dropout,
    )
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not model.head:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
            module.weight.data[:2] = 0
    return model
