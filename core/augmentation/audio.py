"""Augmentations of sounds: shift, noise and masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from core.augmentation.base import AUDIO, Augmentation, Batch, part
from core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from core.augmentation.chance import Chance


@dataclass(frozen=True)
class Shift(Augmentation):
    """Earlier or later."""

    name: ClassVar[str] = "shift"
    summary: ClassVar[str] = "move the sound to earlier or later"
    kinds: ClassVar[tuple[str, ...]] = (AUDIO,)

    most: float = setting("The most that it moves, as a part of its length", 0.1, least=0, most=1)
    fill: Literal["wrap", "silence"] = setting(
        "What comes in from the edge: what went out at the other, or silence", "wrap"
    )
    p: float = part(1.0)

    @property
    def reorders(self) -> bool:
        return self.fill == "wrap"

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        sound = wave(batch)
        draw = chance.uniform(self.name, 2)
        length = _length(batch)
        by = ((2 * draw[:, 1] - 1) * self.most * length).round().long()
        by = by.masked_fill(draw[:, 0] >= self.p, 0)
        place = torch.arange(sound.shape[-1], device=sound.device)
        source = place - by[:, None]
        there = (source >= 0) & (source < length[:, None])
        source = torch.where(place < length[:, None], source % length[:, None].clamp(min=1), place)
        if sound.dim() == 3:
            source, there = source[:, None].expand_as(sound), there[:, None]
        moved = sound.gather(-1, source)
        if self.fill == "silence":
            moved = moved * there
        return {**batch, "audio": moved}


@dataclass(frozen=True)
class Noise(Augmentation):
    """White noise, so loud that the sound's power is `snr` dB above it; none over silence."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "add white noise"
    kinds: ClassVar[tuple[str, ...]] = (AUDIO,)

    snr: float = setting("Signal-to-noise ratio in dB; less is louder", 20.0, least=-20, most=100)
    p: float = part(0.5)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        sound = wave(batch)
        length = _length(batch)
        samples = sound.shape[-1]
        channels = sound.shape[1] if sound.dim() == 3 else 1
        noise = chance.normal(self.name, samples * channels)
        # All channels of a moment lie together, so that padding at the end changes no number.
        noise = noise.view(-1, samples, channels).transpose(1, 2).reshape(sound.shape)
        power = sound.square().flatten(1).sum(1) / (length * channels)
        loud = (power * 10 ** (-self.snr / 10)).sqrt()
        loud = loud.masked_fill(chance.uniform(f"{self.name} p", 1)[:, 0] >= self.p, 0)
        there = torch.arange(samples, device=sound.device) < length[:, None]
        loud = loud[:, None] * there
        return {**batch, "audio": sound.addcmul(noise, loud[:, None] if sound.dim() == 3 else loud)}


@dataclass(frozen=True)
class Masks(Augmentation):
    """Stretches of time and bands of pitch are silenced (SpecAugment, Park et al. 2019).

    A band is taken out of the spectrum of the whole sound, and a stretch out of its samples: both
    are zero there, where masks on a spectrogram would leave what its windows share. Bands are even
    over the root of the frequency, which is close to mel at every usual rate.
    """

    name: ClassVar[str] = "masks"
    summary: ClassVar[str] = "silence stretches of time and bands of pitch"
    kinds: ClassVar[tuple[str, ...]] = (AUDIO,)

    time: float = setting("The most of the time in one mask", 0.1, least=0, most=1)
    pitch: float = setting("The most of the pitches in one mask", 0.15, least=0, most=1)
    count: int = setting("Masks of either kind", 2, least=1, most=20)
    p: float = part(1.0)

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        sound = wave(batch)
        samples = sound.shape[-1]
        length = _length(batch)
        draw = chance.uniform(self.name, 1 + 4 * self.count)
        draw, off = draw[:, 1:].view(-1, 4, self.count), draw[:, :1] >= self.p
        place = torch.arange(samples, device=sound.device)
        if self.pitch:
            wide = (self.pitch * draw[:, 0]).masked_fill(off, 0)
            low = draw[:, 1] * (1 - wide)
            bins = samples // 2 + 1
            pitch = (torch.arange(bins, device=sound.device) / max(1, bins - 1)).sqrt()
            kept = _outside(pitch, low, low + wide, sound.dim())
            sound = torch.fft.irfft(torch.fft.rfft(sound) * kept, n=samples)
        long = (self.time * draw[:, 2]).masked_fill(off, 0) * length[:, None]
        start = draw[:, 3] * (length[:, None] - long)
        kept = _outside(place, start.round(), (start + long).round(), sound.dim())
        there = (place < length[:, None]).view(kept.shape)
        return {**batch, "audio": sound * (kept & there)}


def wave(batch: Batch) -> Tensor:
    """The sounds as float32, from -1 to 1."""
    sound = batch["audio"]
    return sound if sound.is_floating_point() else sound.float() / 32_768


def _length(batch: Batch) -> Tensor:
    """Samples of each sound, int64 [n], without what it is padded with."""
    import torch

    sound = batch["audio"]
    if (length := batch.get("audio_length")) is not None:
        return length.long()
    return torch.full((len(sound),), sound.shape[-1], device=sound.device)


def _outside(axis: Tensor, low: Tensor, high: Tensor, dims: int) -> Tensor:
    """Which places lie in none of the masks [n, count]: bool [n, places] or [n, 1, places]."""
    inside = (axis >= low[:, :, None]) & (axis < high[:, :, None])
    kept = ~inside.any(1)
    return kept[:, None] if dims == 3 else kept
