"""TSMixer (Chen et al. 2023): perceptrons that mix the steps of a window, then its columns.

The own values of a window are brought to mean 0 and deviation 1 and the answer back (RevIN, Kim et
al. 2022), so that a level never seen in training is no stranger. A linear map of them stands beside
the mixers (Zeng et al. 2023), which begin by adding nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST_DEVIATION = 1e-3


class Feed(nn.Module):
    """A perceptron over the columns of each step, beside a shortcut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.feed = nn.Linear(width, 2 * width)
        self.fed = nn.Linear(2 * width, width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        inner = F.dropout(F.gelu(self.feed(self.norm(x))), self.dropout, self.training)
        return x + F.dropout(self.fed(inner), self.dropout, self.training)


class Mixer(nn.Module):
    """A linear map over the steps, then a perceptron over the columns; [n, steps, width]."""

    def __init__(self, steps: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.steps = nn.Linear(steps, steps)
        self.columns = Feed(width, dropout)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        mixed = F.gelu(self.steps(self.norm(x).transpose(1, 2))).transpose(1, 2)
        x = x + F.dropout(mixed, self.dropout, self.training)
        return cast(Tensor, self.columns(x))


class TSMixer(nn.Module):
    """A window [n, context, columns], what is forecast first, and the calendar of the steps to come
    [n, horizon, phases] to the values of those, [n, horizon]."""

    def __init__(
        self,
        context: int,
        columns: int,
        horizon: int,
        phases: int,
        *,
        width: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.straight = nn.Linear(context, horizon)
        self.read = nn.Linear(columns, width)
        self.mixers = nn.ModuleList(Mixer(context, width, dropout) for _ in range(layers))
        self.ahead = nn.Linear(context, horizon)
        self.calendar = nn.Linear(phases, width) if phases else None
        self.last = Feed(width, dropout)
        self.head = nn.Linear(width, 1)

    def forward(self, window: Tensor, phases: Tensor) -> Tensor:
        own = window[..., 0]
        mean = own.mean(1, keepdim=True)
        deviation = own.std(1, keepdim=True) + _LEAST_DEVIATION
        own = (own - mean) / deviation
        x = self.read(torch.cat([own[..., None], window[..., 1:]], dim=-1))
        for mixer in self.mixers:
            x = mixer(x)
        x = self.ahead(x.transpose(1, 2)).transpose(1, 2)
        if self.calendar is not None:
            x = x + self.calendar(phases)
        said: Tensor = self.straight(own) + self.head(self.last(x))[..., 0]
        return said * deviation + mean


def build(shape: Mapping[str, Any], *, width: int, layers: int, dropout: float) -> nn.Module:
    model = TSMixer(
        shape["context"],
        shape["columns"],
        shape["outputs"],
        shape["phases"],
        width=width,
        layers=layers,
        dropout=dropout,
    )
    _begin(model.straight, shape["season"])
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model


def _begin(straight: nn.Linear, season: int) -> None:
    """Let a linear map say the mean of the seasons before, or the last value where there are none:
    training goes on from there."""
    horizon, context = straight.weight.shape
    seasons = context // season if season > 1 else 1
    nn.init.zeros_(straight.weight)
    nn.init.zeros_(straight.bias)
    with torch.no_grad():
        for step in range(horizon):
            before = context + step % season - season * torch.arange(1, seasons + 1)
            straight.weight[step, before] = 1 / seasons
