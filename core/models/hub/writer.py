"""Models that hear a sound whole and write what is said, piece by piece: Whisper's kind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.models.hub.wrapped import Wrapped

WINDOW, HOP = 400, 160
"""Samples of a window of the spectrogram, and from one to the next."""
POSITIONS = 50
"""Positions of a second of sound, each of two windows."""
_FLOOR, _DEPTH = 1e-10, 8.0
_PIECES, _SPARE = 25, 8
"""Pieces that can be said in a second, and those that any sound may have beyond."""
_LINEAR = 1000.0
"""Hz up to which the mel scale is linear (Slaney's)."""


class Writer(Wrapped):
    """Sounds float [n, samples], their samples int64 [n] and what is written, int64 [n, t].

    To the logits of what comes next, [n, t + 1 - prefix, outputs]: the first t written are the
    prefix of the shape and the beginning of a transcript. `model` is a
    WhisperForConditionalGeneration, which hears `seconds` of sound, filled up with silence.
    """

    def __init__(self, model: nn.Module, shape: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.backbone = "model.encoder"
        self.rate: int = shape["rate"]
        self.samples: int = shape["seconds"] * shape["rate"]
        self.outputs: int = shape["outputs"]
        self.prefix: list[int] = shape["prefix"]
        self.end: int = shape["end"]
        self.most: int = shape["most"]
        self.silent: list[int] = shape["silent"]
        self.silent_first: list[int] = shape["silent_first"]
        config: Any = model.config
        self.mels: int = config.num_mel_bins

    def forward(self, sound: Tensor, length: Tensor, written: Tensor) -> Tensor:
        model: Any = self.model
        bands = log_mel(sound, length, self.samples, self.mels)
        said = model(bands, decoder_input_ids=written, use_cache=False)
        logits: Tensor = said.logits[:, len(self.prefix) - 1 :, : self.outputs]
        return logits

    def write(self, sound: Tensor, length: Tensor) -> Tensor:
        """What is said, always the likeliest piece next, int64 [n, most], then -1.

        A sound of s seconds gets at most so many pieces as can be said in them.
        """
        from transformers.cache_utils import DynamicCache, EncoderDecoderCache

        model: Any = self.model
        states = model.model.encoder(log_mel(sound, length, self.samples, self.mels))[0]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        bound = (_SPARE + length * _PIECES // self.rate).clamp(max=self.most)
        coming = length.new_tensor(self.prefix).expand(len(sound), -1)
        over = torch.zeros_like(length, dtype=torch.bool)
        said: list[Tensor] = []
        while len(said) < int(bound.max()) and not over.all():
            told = model(
                encoder_outputs=(states,), decoder_input_ids=coming, cache=cache, use_cache=True
            )
            logits = told.logits[:, -1, : self.outputs].float()
            logits[:, self.silent if said else [*self.silent, *self.silent_first]] = -torch.inf
            piece = logits.argmax(-1)
            over = over | (piece == self.end) | (len(said) >= bound)
            said.append(piece.masked_fill(over, -1))
            coming = piece[:, None]
        return torch.stack(said, 1)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # complex numbers are not compiled
def log_mel(sound: Tensor, length: Tensor, samples: int, mels: int) -> Tensor:
    """Spectrograms as Whisper's feature extractor makes them, float32 [n, mels, samples / HOP].

    `sound` is float from -1 to 1, [n, some], padded after `length`, int64 [n]; it is filled up with
    silence to so many `samples`.
    """
    with torch.autocast(sound.device.type, enabled=False):
        there = torch.arange(samples, device=sound.device) < length[:, None]
        filled = nn.functional.pad(sound.float(), (0, samples - sound.shape[1])) * there
        shape = torch.hann_window(WINDOW, device=sound.device)
        spectrum = torch.stft(filled, WINDOW, HOP, window=shape, return_complex=True)
        power = spectrum[..., :-1].abs().square()
        filters = torch.from_numpy(_filters(mels)).to(sound.device)
        bands = (filters @ power).clamp(min=_FLOOR).log10()
        loudest = bands.amax((1, 2), keepdim=True)
        return (torch.maximum(bands, loudest - _DEPTH) + 4) / 4


@lru_cache(maxsize=4)
def _filters(mels: int) -> np.ndarray[Any, Any]:
    """Triangles of one area, even over Slaney's mel scale to 8 kHz, float32 [mels, bins]."""
    bins = np.linspace(0, 8000, WINDOW // 2 + 1)
    steps = np.linspace(0, _mel(8000.0), mels + 2)
    above = _LINEAR * np.exp((steps - 15) * np.log(6.4) / 27)
    edges = np.where(steps < 15, steps * 200 / 3, above)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    area = 2 / (edges[2:] - edges[:-2])
    made: np.ndarray[Any, Any] = np.maximum(0, np.minimum(rising, falling)) * area[:, None]
    return made.astype(np.float32)


def _mel(hertz: float) -> float:
    """Of a frequency above `_LINEAR`."""
    return float(15 + 27 * np.log(hertz / _LINEAR) / np.log(6.4))
