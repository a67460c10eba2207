"""What the models over tokens share: which tokens are text, and the mean over them."""

from __future__ import annotations

import torch
from torch import Tensor


def text_mask(tokens: Tensor, length: Tensor) -> Tensor:
    """Where there is text and no padding, bool [n, t]."""
    return torch.arange(tokens.shape[1], device=tokens.device) < length[:, None]


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of states [n, t, d] over the text of each row, [n, d]."""
    weight = mask.to(states.dtype)[:, :, None]
    return (states * weight).sum(1) / weight.sum(1)
