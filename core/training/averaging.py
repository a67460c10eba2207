"""Weights averaged over the steps of a training: a moving average, or an even one of its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from core.training import sharding

if TYPE_CHECKING:
    from core.training.config import TrainConfig

PREFIX, COUNT = "module.", "n_averaged"
"""As torch's own `AveragedModel` names them."""


class Average:
    """The averaged weights of a module; its buffers are averaged alike.

    EMA (Polyak averaging with a decay) from the first step on; SWA (Izmailov et al. 2018) evenly
    over the steps of the last `config.swa` of the training. Of a module in parts each process
    averages its own.
    """

    def __init__(self, module: nn.Module, config: TrainConfig, steps: int) -> None:
        from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

        self._first = 0 if config.ema else round(steps * (1 - config.swa))
        self._way: Any = (
            get_ema_multi_avg_fn(config.ema)  # type: ignore[no-untyped-call]
            if config.ema
            else get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
        )
        # A number, since torch would fetch a tensor's from the device in each step.
        self._count = 0
        own = _tensors(module)
        self._weights = {name: each.detach().clone() for name, each in own.items()}

    @property
    def begun(self) -> bool:
        return self._count > 0

    @torch.no_grad()
    def after(self, step: int, module: nn.Module) -> None:
        """Take in the weights after a step, the first of which is 1."""
        if step <= self._first:
            return
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        for name, each in _tensors(module).items():
            kept, now = sharding.own(self._weights[name]), sharding.own(each.detach())
            if self.begun and now.is_floating_point():
                averaged.append(kept)
                current.append(now)
            else:
                kept.copy_(now)
        if averaged:
            self._way(averaged, current, self._count)
        self._count += 1

    @contextmanager
    def within(self, module: nn.Module) -> Iterator[None]:
        """The module has the averaged weights in it, and its own again behind."""
        self._swap(module)
        try:
            yield
        finally:
            self._swap(module)

    @torch.no_grad()
    def _swap(self, module: nn.Module) -> None:
        for name, each in _tensors(module).items():
            here, kept = sharding.own(each.detach()), sharding.own(self._weights[name])
            own = here.clone()
            here.copy_(kept)
            kept.copy_(own)

    def tensors(self) -> dict[str, Tensor]:
        kept = {PREFIX + name: each for name, each in self._weights.items()}
        return {COUNT: torch.tensor(self._count), **kept}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._count = int(tensors[COUNT])
        for name, each in self._weights.items():
            sharding.own(each).copy_(sharding.own(tensors[PREFIX + name]))


@contextmanager
def judged(module: nn.Module, average: Average | None) -> Iterator[nn.Module]:
    """The module as it is judged and kept: with averaged weights, once there are any."""
    if average is None or not average.begun:
        yield module
        return
    with average.within(module):
        yield module


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """What of a module is kept, by name: each once, whatever other name it has."""
    # Asked for its state, a module in parts forgets whole weights that a pass has left there; they
    # would be named in the place of the parts.
    kept = module.state_dict().keys()
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: each for name, each in named if name in kept}
