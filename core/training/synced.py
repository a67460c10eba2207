"""Batch normalisation over the rows of all processes, so that it is that of one process."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncedBatchNorm(_BatchNorm):
    """As `nn.SyncBatchNorm`, but on every device, and rows that only stand in are not counted."""

    counted: ClassVar[bool] = True
    """Whether the rows that go through the model now count."""

    def _check_input_dim(self, input: Tensor) -> None:
        return

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        dims = [at for at in range(x.dim()) if at != 1]
        wide = [-1 if at == 1 else 1 for at in range(x.dim())]
        held = float(self.counted)
        own = x.new_tensor([held * (x.numel() // x.shape[1])])
        told = _summed_by_all(torch.cat([held * x.sum(dims), own]))
        total, rows = told[:-1], told[-1]
        mean = total / rows
        apart = x - mean.view(wide)
        variance = _summed_by_all(held * apart.square().sum(dims)) / rows
        self._remember(mean.detach(), variance.detach(), rows.detach())
        found = apart * (variance + self.eps).rsqrt().view(wide)
        if self.affine:
            found = found * self.weight.view(wide) + self.bias.view(wide)
        normal: Tensor = found.to(input.dtype)
        return normal

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, rows: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * rows / (rows - 1).clamp(min=1), share)


def synced(module: nn.Module) -> None:
    """Have every batch normalisation inside the module meet the other processes."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, SyncedBatchNorm):
            setattr(module, name, _like(child))
        else:
            synced(child)


def _like(norm: _BatchNorm) -> SyncedBatchNorm:
    """With the same parameters and buffers, not copies of them."""
    made = SyncedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    return made.train(norm.training)


def _summed_by_all(values: Tensor) -> Tensor:
    """The sum over all processes; what each makes of it comes back to all."""
    found: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return found


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(values: Tensor) -> Tensor:
    from torch import distributed

    found = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(found)
    return found
