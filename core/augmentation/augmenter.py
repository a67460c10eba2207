"""The augmentations of a training, ready to change its batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from core.augmentation.base import MARKS, TOKENS, Augmentation
from core.augmentation.chance import Chance
from core.augmentation.image import Geometry, Warp
from core.augmentation.mixing import Mix, Mixing
from core.data.lake.layout import ROW_ID

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from core.augmentation.base import Batch


class _Step(Protocol):
    def apply(self, batch: Batch, chance: Chance) -> Batch: ...


class Augmenter:
    """Changes batches, on whatever device they are; false when there is nothing to do.

    What becomes of an example follows from `seed`, the epoch and the id of its row alone, which a
    batch has under `ROW_ID`, int64 [n]; but for its partner where two are mixed, which is its
    neighbour in the batch. `marks` are the tokens that are none of a text's own.
    """

    def __init__(
        self, augmentations: Sequence[Augmentation], seed: int, marks: Sequence[int] = ()
    ) -> None:
        self._steps = list(_steps(augmentations))
        self._seed = seed
        self._marks = marks
        self._marks_on: dict[torch.device, Tensor] = {}

    def __bool__(self) -> bool:
        return bool(self._steps)

    @property
    def mixes(self) -> bool:
        """Whether an example is changed by its neighbour in the batch too."""
        return any(isinstance(step, Mix) for step in self._steps)

    def __call__(self, batch: Batch, epoch: int) -> Batch:
        """The batch of epoch `epoch` (0 is the first), changed; the tensors given are not."""
        chance = Chance(self._seed, epoch, batch[ROW_ID])
        marked = bool(self._steps and self._marks)
        if marked:
            batch = {**batch, MARKS: self._marks_beside(batch[TOKENS])}
        for step in self._steps:
            batch = step.apply(batch, chance)
        return {name: batch[name] for name in batch if name != MARKS} if marked else batch

    def _marks_beside(self, tokens: Tensor) -> Tensor:
        """The marks on the tokens' device; put there once, for that waits for a GPU."""
        if tokens.device not in self._marks_on:
            self._marks_on[tokens.device] = tokens.new_tensor(self._marks)
        return self._marks_on[tokens.device]


def _steps(augmentations: Iterable[Augmentation]) -> Iterable[_Step]:
    """Neighbours that can be done in one are: maps of the plane, and ways to mix."""
    for kind, group in groupby(augmentations, _together):
        if kind is Geometry:
            yield Warp(tuple(each for each in group if isinstance(each, Geometry)))
        elif kind is Mixing:
            yield Mix(tuple(each for each in group if isinstance(each, Mixing)))
        else:
            yield from group


def _together(each: Augmentation) -> type[Augmentation]:
    for kind in (Geometry, Mixing):
        if isinstance(each, kind):
            return kind
    return type(each)
