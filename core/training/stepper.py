"""One optimizer step: the loss of a batch, whole or in parts, its gradients, and the update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.augmentation.mixing import loss as mixed_loss
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError
from core.inference.examples import Batch
from core.inference.forward import precision_context
from core.training import sharding
from core.training.group import ALONE, Group, pieces
from core.training.optimizer import Optimizer
from core.training.synced import SyncedBatchNorm

if TYPE_CHECKING:
    from core.tasks.base import Task
    from core.training.config import TrainConfig


class Stepper:
    """Takes steps with a module that is on the device. `parts` may grow when memory is full.

    `targets` are those of all examples, by which the classes are weighed where they are to be.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        config: TrainConfig,
        device: torch.device,
        *,
        targets: Any = None,
        on_split: Callable[[int], None] = lambda _: None,
        may_split: bool = True,
        group: Group = ALONE,
    ) -> None:
        self.module = module
        self.task = task
        self.config = config
        self.device = device
        self.parts = config.accumulate
        self.scaler = torch.amp.GradScaler(device.type) if config.precision == "fp16" else None
        self._group = group
        self._joined = group.joined(module, device)
        # In a module that was cut in parts the parameters are others.
        self.optimizer = Optimizer(module, config, device)
        self._parameters = [each for each in module.parameters() if each.requires_grad]
        self._forward: Callable[..., Any] = (
            _compiled(self._joined) if config.compile else self._joined
        )
        self._classes: Tensor | None = None
        if config.balance == "weights" and targets is not None:
            weights = class_weights(np.asarray(targets), task.shape["outputs"])
            self._classes = weights.to(device)
        self._on_split = on_split
        # Who splits alone keeps the others waiting.
        self._may_split = may_split and group.size == 1
        self._norm: Tensor | None = None

    def __call__(self, batch: Batch, rows: int | None = None) -> Tensor:
        """Take a step on a batch on the device; its mean loss, a detached scalar.

        In a group `batch` is this process's share of `rows`, and the losses of all together are the
        mean. When the memory of one alone is full, the same step is taken in twice as many parts.

        Raises:
            torch.OutOfMemoryError or MemoryError: a single example is too much.
        """
        chance = self._chance()
        while (loss := self._step(batch, rows or len(batch[ROW_ID]))) is None:
            self.parts *= 2
            self._on_split(self.parts)
            self._chance(chance)
        return loss

    def gradient_norm(self) -> float:
        """The norm of the last step's gradients, before clipping; waits for the device."""
        if self._norm is None:
            grads = [each.grad for each in self._parameters if each.grad is not None]
            self._norm = nn.utils.get_total_norm(grads, foreach=True)
        return float(sharding.whole(self._norm))

    def _step(self, batch: Batch, rows: int) -> Tensor | None:
        """The loss; None when there was no memory for so few parts."""
        try:
            return self._update(batch, rows)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            room = self._may_split and self.parts < rows
            if not room or not _memory_is_full(error):
                raise
        # Out of the handler, so that nothing holds on to the tensors of the failed try.
        self._forget_gradients()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _update(self, batch: Batch, rows: int) -> Tensor:
        self._forget_gradients()
        *first, last = self._pieces(batch, rows)
        losses = []
        for piece, weight in first:
            with self._group.apart(self._joined):
                losses.append(self._backward(piece, weight))
        losses.append(self._backward(*last))
        total = torch.stack(losses).sum() if first else losses[0]
        if self.scaler is not None:
            self.optimizer.unscale(self.scaler)
        self._norm = None
        if self.config.clip:
            self._norm = nn.utils.clip_grad_norm_(self._parameters, self.config.clip, foreach=True)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.optimizer.step_scaled(self.scaler)
            self.scaler.update()
        return total

    def _pieces(self, batch: Batch, rows: int) -> list[tuple[Batch, float]]:
        """What goes through the model at once, and how much of the mean loss that is."""
        if self.parts == self._group.size == 1:
            return [(batch, 1.0)]
        made = pieces(rows, self.parts, self._group.rank, self._group.size)
        sizes = [len(piece.rows) for piece in made]
        cut = [torch.split(each, sizes) for each in batch.values()]
        return [
            (dict(zip(batch, each, strict=True)), piece.weight)
            for piece, *each in zip(made, *cut, strict=True)
        ]

    def _backward(self, batch: Batch, share: float) -> Tensor:
        SyncedBatchNorm.counted = share > 0
        with precision_context(self.config.precision, self.device):
            loss = self._loss(self._forward(*self.task.inputs(batch)), batch)
            if share != 1.0:
                loss = loss * share
        # The group takes the mean of what is to be a sum.
        scaled = loss * self._group.size if self._group.size > 1 else loss
        scaled = scaled if self.scaler is None else self.scaler.scale(scaled)
        scaled.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss(self, outputs: Any, batch: Batch) -> Tensor:
        loss = mixed_loss(self.task, outputs, batch, self._classes)
        if smoothing := self.config.label_smoothing:
            loss = (1 - smoothing) * loss + smoothing * self.task.even_loss(outputs)
        return loss

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _chance(self, state: tuple[Tensor, Tensor | None] | None = None) -> Any:
        """The state of the random numbers; given one, back to it."""
        cuda = self.device.type == "cuda"
        if state is None:
            own = torch.cuda.get_rng_state(self.device) if cuda else None
            return torch.get_rng_state(), own
        torch.set_rng_state(state[0])
        if state[1] is not None:
            torch.cuda.set_rng_state(state[1], self.device)
        return state


def class_weights(targets: np.ndarray[Any, Any], classes: int) -> Tensor:
    """A weight for each class, float32: n / (classes * its rows), so that all count alike."""
    counts = np.bincount(targets[targets >= 0], minlength=classes)
    weights = counts.sum() / (classes * np.maximum(1, counts))
    return torch.from_numpy(weights.astype(np.float32))


def _memory_is_full(error: BaseException) -> bool:
    # torch's allocator for the CPU raises a plain RuntimeError.
    words = str(error)
    return (
        not isinstance(error, RuntimeError)
        or isinstance(error, torch.OutOfMemoryError)
        or ("not enough memory" in words or "out of memory" in words)
    )


def _compiled(module: nn.Module) -> Callable[..., Any]:
    """The module as kernels of its own, made when it is first called.

    A call raises LeptonError where torch cannot make them.
    """
    compiled = torch.compile(module)

    def forward(*inputs: Tensor) -> Any:
        try:
            return compiled(*inputs)
        except RuntimeError as error:
            from torch._dynamo.exc import TorchDynamoException

            if not isinstance(error, TorchDynamoException):
                raise
            raise LeptonError(
                f"torch cannot compile this model here: {str(error).splitlines()[0]}",
                hint="Train without compile, or install a C++ compiler if that is what it lacks.",
            ) from error

    return forward
