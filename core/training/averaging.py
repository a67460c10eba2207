"""Weights averaged over the steps of a training: a moving average, or an even one of its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

    from core.training.config import TrainConfig

PREFIX = "module."


class Average:
    """The averaged weights of a module; its buffers are averaged alike.

    EMA (Polyak averaging with a decay) from the first step on; SWA (Izmailov et al. 2018) evenly
    over the steps of the last `config.swa` of the training.
    """

    def __init__(self, module: nn.Module, config: TrainConfig, steps: int) -> None:
        from torch.optim.swa_utils import (
            AveragedModel,
            get_ema_multi_avg_fn,
            get_swa_multi_avg_fn,
        )

        self._first = 0 if config.ema else round(steps * (1 - config.swa))
        way = (
            get_ema_multi_avg_fn(config.ema)  # type: ignore[no-untyped-call]
            if config.ema
            else get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]
        )
        self._model: AveragedModel = AveragedModel(module, multi_avg_fn=way, use_buffers=True)

    @property
    def begun(self) -> bool:
        return int(self._model.n_averaged) > 0

    @property
    def module(self) -> nn.Module:
        averaged: nn.Module = self._model.module
        return averaged

    @torch.no_grad()
    def after(self, step: int, module: nn.Module) -> None:
        """Take in the weights after a step, the first of which is 1."""
        if step > self._first:
            self._model.update_parameters(module)

    def tensors(self) -> dict[str, Tensor]:
        return self._model.state_dict()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._model.load_state_dict(tensors)
