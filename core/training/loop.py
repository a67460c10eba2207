"""The training loop: a straight line from batch to step, exact enough to be cut anywhere."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from core.augmentation.augmenter import Augmenter
from core.augmentation.mixing import loss as mixed_loss
from core.augmentation.written import read
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError
from core.inference.forward import judged, precision_context, to_device
from core.training.checkpoint import Checkpoint, Checkpoints
from core.training.config import TrainConfig, learning_rate
from core.training.feed import Split
from core.training.optimizer import AdamW
from core.training.samples import Samples
from core.training.shuffle import steps_in_epoch

if TYPE_CHECKING:
    from core.tasks.base import Task

RECORD_SECONDS = 0.25
# An epoch's end is worth a checkpoint when saving takes at most this share of the time.
SAVING_SHARE = 0.05


class Emit(Protocol):
    """Where events go: a run's log."""

    def __call__(self, event: str, **fields: Any) -> None: ...


@dataclass
class Best:
    """The best epoch so far by the task's metric, with its weights on the CPU."""

    value: float
    epoch: int
    step: int
    metrics: dict[str, float]
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)


@dataclass
class Progress:
    """Where training stands. `position` counts the batches done in this epoch."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    loss_rows: int = 0
    waited: int = 0
    """Epochs since the best one."""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    window: int = 0
    """Rows that are mixed at a time; 0: all. A resumed run keeps to it, whatever fits by then."""


class Trainer:
    """Trains a module on one split and judges it on another after each epoch.

    `config` must be resolved: lr and batch_size are set, precision is fp32 or bf16. Killed at any
    moment and resumed from its last checkpoint, it ends with the same weights, on a CPU bit for
    bit.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        train: Split,
        validation: Split | None,
        *,
        config: TrainConfig,
        checkpoints: Checkpoints,
        device: torch.device,
        emit: Emit,
        should_stop: Callable[[], bool],
    ) -> None:
        assert config.lr is not None
        assert config.batch_size is not None
        self.task = task
        self.config = config
        self.device = device
        self.batch_size = config.batch_size
        self.train = train.to(device)
        self.validation = validation
        self.augmenter = Augmenter(read(config.augment), config.seed)
        self.checkpoints = checkpoints
        self.emit = emit
        self.should_stop = should_stop
        # Convolutions are 2 to 4 times quicker on a CPU when the channels lie innermost.
        images = task.reads == "image"
        self.module = module.to(device)
        if images:
            self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module.train()
        self.parameters = [each for each in self.module.parameters() if each.requires_grad]
        self.optimizer = AdamW(
            self.parameters,
            lr=config.lr,
            weight_decay=config.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.steps_per_epoch = steps_in_epoch(train.rows, self.batch_size)
        self.steps = min(
            config.epochs * self.steps_per_epoch,
            config.max_steps or config.epochs * self.steps_per_epoch,
        )
        self.progress = Progress(window=self.train.window_rows())
        self.best: Best | None = None
        self.samples: Samples | None = None
        """Rows whose answers are recorded as training goes on; None: of no row."""
        self._lr = -1.0
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._saving_took = 0.0
        self._saved_at = self._clock = self._settled_at = self._recorded_at = time.monotonic()

    def fit(self) -> bool:
        """Train to the last step; False when it was asked to stop before, with all saved.

        Raises:
            LeptonError: the loss is no longer a number, or a checkpoint cannot be saved.
        """
        self._saved_at = self._clock = self._settled_at = time.monotonic()
        # What was loaded so far stays; the collector need not look at it between steps.
        gc.freeze()
        try:
            while not self.progress.finished:
                started = time.monotonic()
                if not self._epoch():
                    return False
                self._end_epoch(started)
                if self.should_stop() and not self.progress.finished:
                    self.save()
                    return False
            return True
        finally:
            gc.unfreeze()

    def train_step(self, batch: dict[str, Tensor]) -> Tensor:
        """One optimizer step on a batch that is on the device; its mean loss, a detached scalar."""
        rate = learning_rate(self.config, self.progress.step, self.steps)
        if rate != self._lr:
            self._lr = rate
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        for parameter in self.parameters:
            parameter.grad = None
        with precision_context(self.config.precision, self.device):
            loss = mixed_loss(self.task, self.module(*self.task.inputs(batch)), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.config.clip, foreach=True)
        self.optimizer.step()
        return loss.detach()

    def _epoch(self) -> bool:
        """The rest of this epoch; False when asked to stop."""
        at = self.progress
        for rows in self.train.epoch(
            self.config.seed, at.epoch, self.batch_size, start=at.position, window=at.window
        ):
            batch = self.augmenter(to_device(rows, self.device), at.epoch)
            self._losses.append(self.train_step(batch))
            self._sizes.append(len(batch[ROW_ID]))
            at.step += 1
            at.position += 1
            now = time.monotonic()
            if now - self._recorded_at >= RECORD_SECONDS or at.step in (1, self.steps):
                self._recorded_at = now
                self._record()
            if at.step >= self.steps:
                break
            if self.should_stop():
                if self._losses:
                    # Else a person is told an earlier step than the one that is saved.
                    self._record()
                self.save()
                return False
            if self._checkpoint_due(now):
                self.save()
        return True

    def _settle(self) -> tuple[float, int]:
        """Fetch the losses since the last call into the running sum; their mean, and their rows.

        The sum goes step by step in Python, so it does not depend on when it was taken.
        """
        at = self.progress
        total, rows = 0.0, 0
        values = torch.stack(self._losses).tolist() if self._losses else []
        first = at.step - len(values) + 1
        for step, (value, size) in enumerate(zip(values, self._sizes, strict=True), first):
            if not math.isfinite(value):
                raise self._diverged(step, f"the loss is {value}")
            at.loss_sum += value * size
            total += value * size
            rows += size
        at.loss_rows += rows
        self._losses.clear()
        self._sizes.clear()
        self._settled_at = time.monotonic()
        return total / max(1, rows), rows

    def _record(self) -> None:
        at = self.progress
        since = self._settled_at
        loss, rows = self._settle()
        self.emit(
            "step",
            step=at.step,
            epoch=at.epoch + 1,
            loss=loss,
            lr=self._lr,
            examples_per_second=round(rows / max(1e-9, self._settled_at - since), 1),
        )

    def _end_epoch(self, started: float) -> None:
        at = self.progress
        self._settle()
        metrics = {"train/loss": at.loss_sum / max(1, at.loss_rows), **self._validate()}
        at.metrics = metrics
        at.epoch += 1
        at.position, at.loss_sum, at.loss_rows = 0, 0.0, 0
        improved = self._judge(metrics)
        out_of_patience = self.config.patience is not None and at.waited >= self.config.patience
        at.finished = at.step >= self.steps or out_of_patience
        self.emit(
            "epoch",
            epoch=at.epoch,
            step=at.step,
            train_loss=metrics["train/loss"],
            metrics=metrics,
            best=improved,
            seconds=round(time.monotonic() - started, 3),
        )
        if out_of_patience and at.step < self.steps:
            assert self.best is not None
            self.emit(
                "log",
                text=f"stopped early: no better {self.task.metric} for {at.waited} epochs"
                f" (best {self.best.value:.4g} in epoch {self.best.epoch})",
            )
        if self.samples is not None and self.samples.due(last=at.finished):
            said = self.samples.ask(self.module, self.device)
            self.emit("samples", epoch=at.epoch, step=at.step, examples=said)
        since = time.monotonic() - self._saved_at
        if at.finished or since * SAVING_SHARE >= self._saving_took:
            self.save()
        self._settled_at = time.monotonic()

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        told = judged(
            self.module,
            self.task,
            self.validation.tensors,
            device=self.device,
            batch_size=max(self.batch_size, 256),
            precision=self.config.precision,
        )
        self.validation.release()
        scores = self.task.scores(told.found, self.validation.target)
        return {"val/loss": told.loss, **{f"val/{name}": value for name, value in scores.items()}}

    def _judge(self, metrics: dict[str, float]) -> bool:
        """Keep these weights when no epoch was better; without a validation split, the newest."""
        at = self.progress
        value = metrics.get(f"val/{self.task.metric}", math.nan)
        if self.best is not None and self.validation is not None:
            better = (
                value > self.best.value if self.task.higher_is_better else value < self.best.value
            )
            if not better and not math.isnan(self.best.value):
                at.waited += 1
                return False
        at.waited = 0
        weights = {
            name: each.detach().cpu().clone() for name, each in self.module.state_dict().items()
        }
        self.best = Best(value, at.epoch, at.step, metrics, weights)
        return True

    def _checkpoint_due(self, now: float) -> bool:
        every = self.config.checkpoint_every
        if every is not None and self.progress.step % every == 0:
            return True
        return now - self._saved_at >= self.config.checkpoint_seconds

    def save(self) -> Path:
        """Save a checkpoint of this moment.

        Raises:
            LeptonError: the disk is full, or loss or weights are no longer numbers (nothing is
                saved then).
        """
        began = time.monotonic()
        self._settle()
        if not all(each.isfinite().all() for each in self.parameters):
            raise self._diverged(self.progress.step, "the weights are not finite")
        self.progress.seconds += began - self._clock
        self._clock = began
        path = self.checkpoints.save(self.progress.step, self._tensors(), self._state())
        self._saved_at = self._settled_at = time.monotonic()
        self._saving_took = self._saved_at - began
        best = self.best is not None and self.best.step == self.progress.step
        self.emit("checkpoint", step=self.progress.step, path=str(path), best=best)
        return path

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": each for name, each in self.module.state_dict().items()}
        for name, parameter in self.module.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        if self.best is not None and self.best.step != self.progress.step:
            tensors |= {f"best.{name}": each for name, each in self.best.weights.items()}
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        return tensors

    def _state(self) -> dict[str, Any]:
        best = None
        if self.best is not None:
            best = {
                "value": self.best.value,
                "epoch": self.best.epoch,
                "step": self.best.step,
                "metrics": self.best.metrics,
            }
        return {
            **vars(self.progress),
            "best": best,
            "optimizer": [
                {key: value for key, value in group.items() if key != "params"}
                for group in self.optimizer.param_groups
            ],
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Stand where the checkpoint was taken."""
        state = dict(checkpoint.state)
        best = state.pop("best")
        self._lr = -1.0
        for group, saved in zip(self.optimizer.param_groups, state.pop("optimizer"), strict=True):
            group.update({**saved, "betas": tuple(saved["betas"])})
        self.progress = Progress(**state)
        tensors = checkpoint.tensors
        weights = _under("model.", tensors)
        self.module.load_state_dict(weights)
        for name, parameter in self.module.named_parameters():
            # Each tensor is laid out as its parameter, as if the optimizer had made it.
            self.optimizer.state[parameter] = {
                key: torch.empty_like(
                    parameter if value.dim() else value, device=self.device
                ).copy_(value)
                for key, value in _under(f"optimizer.{name}.", tensors).items()
            }
        if best is not None:
            self.best = Best(**best, weights=_under("best.", tensors) or weights)
        torch.set_rng_state(tensors["rng.cpu"])
        if "rng.cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)

    def _diverged(self, step: int, what: str) -> LeptonError:
        kept = self.checkpoints.paths()
        return LeptonError(
            f"training has diverged: at step {step} {what}",
            where=f"the last good checkpoint is {kept[0].name}" if kept else "",
            hint=f"Train again with a smaller lr than {self.config.lr:g}, or with clip=1.",
        )


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: each for name, each in tensors.items() if name.startswith(prefix)}
