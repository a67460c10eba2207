"""Augmentations that make one example of two, and the loss against the targets of both.

The partner of an example is the one before it in the batch: the feed has mixed the rows already, so
that is any other row.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from core.augmentation.audio import wave
from core.augmentation.base import AUDIO, IMAGE, Augmentation, Batch, part
from core.augmentation.image import rectangle
from core.settings import setting
from core.tasks.ragged import LENGTH

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from core.augmentation.chance import Chance
    from core.tasks.base import Task

SHARE = "mix_share"
"""How much of an example is its own, float32 [n]; the rest is its partner's."""
OTHER_TARGET = "mix_target"
"""The partners' targets."""
_POINTS = 2048


class Mixing(Augmentation):
    """A way to mix two examples; where several are on, each example is mixed in one of them."""

    mixes: ClassVar[bool] = True

    @abstractmethod
    def mixed(
        self, own: Tensor, other: Tensor, chance: Chance, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The mix where bool [n] `chosen` says so, and how much of it is the example's own, [n]."""

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        return Mix((self,)).apply(batch, chance)


@dataclass(frozen=True)
class Mix:
    """Mixes the inputs, and keeps for the loss the partners' targets and the shares."""

    ways: tuple[Mixing, ...]

    def apply(self, batch: Batch, chance: Chance) -> Batch:
        import torch

        name = IMAGE if IMAGE in batch else AUDIO
        own = batch[IMAGE].float() if IMAGE in batch else wave(batch)
        other = own.roll(1, 0)
        way = chance.uniform("mix", 1)[:, 0] * len(self.ways)
        share = torch.ones_like(way)
        for at, each in enumerate(self.ways):
            # Whoever is mixed in another way comes back as it is, with a share of 1.
            own, kept = each.mixed(own, other, chance, (way >= at) & (way < at + 1))
            share = share * kept
        made = {**batch, name: own, SHARE: share}
        if (length := batch.get(name + LENGTH)) is not None:
            # Where none of the partner is mixed in, an example stays as long as it was.
            longer = torch.maximum(length, length.roll(1, 0))
            made[name + LENGTH] = torch.where(share < 1, longer, length)
        if "target" in batch:
            made[OTHER_TARGET] = batch["target"].roll(1, 0)
        return made


@dataclass(frozen=True)
class Mixup(Mixing):
    """The weighted mean of two examples (Zhang et al. 2018, mixup)."""

    name: ClassVar[str] = "mixup"
    summary: ClassVar[str] = "blend two examples and their targets"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE, AUDIO)

    alpha: float = setting(
        "Shares are of Beta(alpha, alpha): small mixes little", 0.2, least=0.01, most=10
    )
    p: float = part(1.0)

    def mixed(
        self, own: Tensor, other: Tensor, chance: Chance, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        draw = chance.uniform(self.name, 2)
        share = beta(draw[:, 1], self.alpha)
        share = share.masked_fill(~chosen | (draw[:, 0] >= self.p), 1)
        return other.lerp(own, share.view(-1, *[1] * (own.dim() - 1))), share


@dataclass(frozen=True)
class Cutmix(Mixing):
    """A rectangle of the partner laid over the picture (Yun et al. 2019, CutMix)."""

    name: ClassVar[str] = "cutmix"
    summary: ClassVar[str] = "lay a part of another picture over it"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE,)

    alpha: float = setting(
        "Shares are of Beta(alpha, alpha): 1 has all alike", 1.0, least=0.01, most=10
    )
    p: float = part(1.0)

    def mixed(
        self, own: Tensor, other: Tensor, chance: Chance, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        import torch

        height, width = own.shape[2:]
        draw = chance.uniform(self.name, 4)
        half = (1 - beta(draw[:, 1], self.alpha)).sqrt() / 2
        half = half.masked_fill(~chosen | (draw[:, 0] >= self.p), 0)
        # Its middle is anywhere: what hangs over the edge is cut off, and counted as it is then.
        top, bottom = (((draw[:, 2] + to) * height).round() for to in (-half, half))
        left, right = (((draw[:, 3] + to) * width).round() for to in (-half, half))
        top, bottom = top.clamp(0, height), bottom.clamp(0, height)
        left, right = left.clamp(0, width), right.clamp(0, width)
        over = rectangle((top, bottom), (left, right), own)
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return torch.where(over, other, own), share


def loss(task: Task, outputs: Any, batch: Batch, classes: Tensor | None = None) -> Tensor:
    """The task's mean loss; of a mixed batch, against both targets by their shares.

    `classes`, float [classes], says how much the rows of each class count.
    """
    if SHARE not in batch:
        return task.loss(outputs, batch, None if classes is None else classes[batch["target"]])
    own, others = batch[SHARE], {**batch, "target": batch[OTHER_TARGET]}
    other = 1 - own
    if classes is not None:
        own, other = own * classes[batch["target"]], other * classes[others["target"]]
    return task.loss(outputs, batch, own) + task.loss(outputs, others, other)


def beta(uniform: Tensor, alpha: float) -> Tensor:
    """Numbers of Beta(alpha, alpha), made of as many numbers between 0 and 1."""
    table = _quantiles(alpha, uniform.device)
    place = uniform * (len(table) - 1)
    below = place.floor().long().clamp(max=len(table) - 2)
    return table[below].lerp(table[below + 1], place - below)


@lru_cache(maxsize=32)
def _quantiles(alpha: float, device: torch.device) -> Tensor:
    """The quantiles of Beta(alpha, alpha) at even steps from 0 to 1, by its integral to 1/2.

    Where alpha is below 1 the density has a pole at 0, but over x**alpha it has none.
    """
    import numpy as np
    import torch

    power = min(alpha, 1.0)
    t = np.linspace(0, 0.5**power, 40_001)
    x = t ** (1 / power)
    density = x ** (alpha - power) * (1 - x) ** (alpha - 1)
    integral = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    steps = np.linspace(0, integral[-1], _POINTS + 1)
    half = np.interp(steps, integral, t) ** (1 / power)
    table = np.concatenate([half, 1 - half[-2::-1]])
    return torch.from_numpy(table.astype(np.float32)).to(device)
