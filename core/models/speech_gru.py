"""Convolutions and a bidirectional GRU that hear letters (in the manner of Deep Speech 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.models import recurrent
from core.models.spectrogram import log_mel

_RATE = 16_000


class SpeechGRU(nn.Module):
    """Sounds float [n, samples] and their samples int64 [n] to logits and the steps of each.

    Logits are [n, steps, outputs], one step for two windows of the spectrogram; padding is never
    read.
    """

    def __init__(
        self,
        rate: int,
        outputs: int,
        *,
        mels: int,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.mels = mels
        self.first = nn.Conv1d(mels, width, 5, stride=2, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.gru = recurrent.GRU(width, hidden, layers, dropout=dropout)
        self.head = nn.Linear(2 * hidden, outputs)

    def forward(self, sound: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        bands, frames = log_mel(sound, length, self.rate, self.mels)
        steps = (frames + 1) // 2
        x = bands
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            x = convolution(x.transpose(1, 2)).transpose(1, 2)
            there = torch.arange(x.shape[1], device=x.device) < steps[:, None]
            x = self.dropout(torch.relu(norm(x))) * there[..., None]
        return self.head(self.dropout(self.gru(x, steps))), steps


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    # The first ones had their bands from the task, and one rate.
    options["mels"] = shape.get("mels", options["mels"])
    return SpeechGRU(shape.get("rate", _RATE), shape["outputs"], **options)
