"""Log-mel spectrograms, as speech models read them."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

WINDOW, HOP = 0.025, 0.010
"""Seconds of a window, and from one to the next."""
_FLOOR = 1e-6


def log_mel(sound: Tensor, length: Tensor, rate: int, mels: int) -> tuple[Tensor, Tensor]:
    """Spectrograms, float32 [n, frames, mels], and the frames of each sound, int64 [n].

    Each sound's bands have mean 0 and deviation 1, every band by itself, and padding is 0.
    """
    bands, frames = log_bands(sound, length, rate, mels)
    return levelled(bands, frames, each=True), frames


@torch.compiler.disable  # type: ignore[untyped-decorator]  # complex numbers are not compiled
def log_bands(sound: Tensor, length: Tensor, rate: int, mels: int) -> tuple[Tensor, Tensor]:
    """How loud each band of pitch is, float32 [n, frames, mels], and the frames of each sound.

    `sound` is float from -1 to 1, [n, samples], padded after `length`, int [n], samples.
    """
    window, hop = round(WINDOW * rate), round(HOP * rate)
    shape = torch.hann_window(window, device=sound.device)
    spectrum = torch.stft(sound, window, hop, window, shape, center=False, return_complex=True)
    power = spectrum.abs().square().transpose(1, 2)
    bands = (power @ _filters(rate, window, mels).to(sound.device) + _FLOOR).log()
    return bands, (length.long() - window) // hop + 1


def levelled(bands: Tensor, frames: Tensor, *, each: bool = False) -> Tensor:
    """Each sound with mean 0 and deviation 1, and padding 0: `each` band by itself, as suits
    speech, whatever it was recorded with; or all together, so that what hums on is heard."""
    there = (torch.arange(bands.shape[1], device=bands.device) < frames[:, None])[..., None]
    count = frames[:, None, None]
    over = 1 if each else (1, 2)
    count = count if each else count * bands.shape[2]
    mean = (bands * there).sum(over, keepdim=True) / count
    centred = (bands - mean) * there
    deviation = (centred.square().sum(over, keepdim=True) / count).sqrt()
    return centred / (deviation + 1e-3)


@lru_cache(maxsize=8)
def _filters(rate: int, window: int, mels: int) -> Tensor:
    """Triangles even over the mel scale (HTK's), float32 [window / 2 + 1, mels]."""
    highest = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700)).item()
    edges = 700 * (10 ** (torch.linspace(0, highest, mels + 2) / 2595) - 1)
    bins = torch.linspace(0, rate / 2, window // 2 + 1)[:, None]
    # A triangle is at least as wide as a bin, so that none falls between two.
    step = rate / window
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2]).clamp(min=step)
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1]).clamp(min=step)
    return torch.minimum(rising, falling).clamp(min=0)
