"""A small convolutional network over a sound's log-mel spectrogram (in the manner of PANNs)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.cnn import initialised
from core.models.spectrogram import levelled, log_bands

_STAGES = 4


class SoundCNN(nn.Module):
    """Sounds float [n, samples] and their samples int64 [n] to logits [n, outputs].

    Each stage halves time and pitch; then a class is told by the mean and the maximum over what
    there is of the sound. Padding is never heard.
    """

    def __init__(self, rate: int, outputs: int, *, mels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.rate, self.mels = rate, mels
        widths = [1, *(width * 2**stage for stage in range(_STAGES))]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(after) for after in widths[1:])
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * widths[-1], outputs))

    def forward(self, sound: Tensor, length: Tensor) -> Tensor:
        bands, steps = log_bands(sound, length, self.rate, self.mels)
        x = levelled(bands, steps)[:, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # Over the channels of each place: over a batch it would depend on the padding.
            x = F.relu(norm(convolution(x).movedim(1, -1)).movedim(-1, 1))
            # Nothing is below 0 here, so what is padded takes no part in a maximum.
            x = F.max_pool2d(x * _there(x, steps), 2, ceil_mode=True)
            steps = (steps + 1) // 2
        tall = x.mean(3)
        mean = tall.sum(2) / steps[:, None]
        logits: Tensor = self.head(torch.cat([mean, tall.amax(2)], 1))
        return logits


def _there(x: Tensor, steps: Tensor) -> Tensor:
    """Which steps of [n, channels, steps, bands] belong to each sound, bool [n, 1, steps, 1]."""
    inside = torch.arange(x.shape[2], device=x.device) < steps[:, None]
    return inside[:, None, :, None]


def build(shape: Mapping[str, Any], **options: Any) -> nn.Module:
    return initialised(SoundCNN(shape["rate"], shape["outputs"], **options))
