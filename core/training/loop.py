"""The training loop: a straight line from batch to step, exact enough to be cut anywhere."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from core.augmentation.augmenter import Augmenter
from core.augmentation.written import read
from core.data.lake.layout import ROW_ID
from core.devices.usage import DeviceUse
from core.errors import UsageError
from core.inference.examples import Batch
from core.inference.forward import to_device
from core.runs.requests import OBEYED, Requests
from core.training import snapshot
from core.training.averaging import Average, judged
from core.training.checkpoint import Checkpoint, Checkpoints
from core.training.config import TrainConfig
from core.training.ending import ending_words
from core.training.feed import Split
from core.training.group import ALONE, Group
from core.training.judge import Judge
from core.training.losses import DivergedError, Losses
from core.training.patience import at_once
from core.training.progress import Best, Progress
from core.training.samples import Samples
from core.training.schedule import Rates
from core.training.shuffle import steps_in_epoch
from core.training.stepper import Stepper

if TYPE_CHECKING:
    from core.tasks.base import Task

RECORD_SECONDS = 0.25
# An epoch's end is worth a checkpoint when saving takes at most this share of the time.
SAVING_SHARE = 0.05
SETBACKS = 3
"""Times that a training which diverged goes back and tries with half the learning rate."""


class Emit(Protocol):
    """Where events go: a run's log."""

    def __call__(self, event: str, **fields: Any) -> None: ...


class Trainer:
    """Trains a module on one split and judges it on another after each epoch.

    `config` must be resolved: lr and batch_size are numbers, precision is not auto. Killed at any
    moment and resumed from its last checkpoint, it ends with the same weights, on a CPU bit for
    bit. `patiently` calls what writes to the disk, and may wait for room.
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
        patiently: Callable[..., Any] = at_once,
        requests: Requests | None = None,
        group: Group = ALONE,
    ) -> None:
        assert isinstance(config.batch_size, int)
        self.task = task
        self.config = config
        self.device = device
        self.batch_size = config.batch_size
        self.train = train.to(device)
        self.judge = Judge(task, validation, config, device)
        self.augmenter = Augmenter(read(config.augment), config.seed, task.marks)
        self.checkpoints = checkpoints
        self.patiently = patiently
        self.emit = emit
        self.should_stop = should_stop
        self.requests = requests
        self.group = group
        # Convolutions are 2 to 4 times quicker on a CPU when the channels lie innermost.
        images = task.reads == "image"
        self.module = module.to(device)
        if images:
            self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module.train()
        self.stepper = Stepper(
            self.module,
            task,
            config,
            device,
            targets=train.target,
            on_split=self._told_split,
            group=group,
        )
        self.parameters = [each for each in self.module.parameters() if each.requires_grad]
        self.steps_per_epoch = steps_in_epoch(train.rows, self.batch_size)
        self.whole = config.epochs * self.steps_per_epoch
        self.steps = min(self.whole, config.max_steps or self.whole)
        self.progress = Progress(window=group.told(self.train.window_rows))
        if self.progress.window and config.balance == "sampling":
            raise UsageError(
                "balance=sampling needs the rows in memory, and they do not fit",
                hint="Use balance=weights, or raise LEPTON_MEMORY.",
            )
        self.average = (
            Average(self.module, config, self.steps) if config.ema or config.swa else None
        )
        self.best: Best | None = None
        self.samples: Samples | None = None
        """Rows whose answers are recorded as training goes on; None: of no row."""
        self._device_use = DeviceUse(str(device))
        self._lr = -1.0
        asked = group.told(lambda: dict(requests.rates) if requests else {})
        self.rates = Rates(config, self.steps, asked)
        self._fresh: dict[str, Tensor] = {}
        self._time_is_up = False
        self._losses = Losses(group, self._diverged)
        self._saving_took = 0.0
        self._saved_at = self._clock = self._settled_at = self._recorded_at = time.monotonic()

    def fit(self) -> bool:
        """Train to the last step; False when it was asked to stop before, with all saved.

        Raises:
            LeptonError: the loss is no longer a number, or a checkpoint cannot be saved.
        """
        self._saved_at = self._clock = self._settled_at = time.monotonic()
        if not self.progress.step:
            if self.group.rank:
                torch.manual_seed(snapshot.seed(self.config.seed, self.group.rank))
            if self.group.shards:
                # A copy of the whole model in each process is what there is no room for.
                self.save()
            else:
                self._fresh = snapshot.fresh(self)
        # What was loaded so far stays; the collector need not look at it between steps.
        gc.freeze()
        try:
            while not self.progress.finished:
                started = time.monotonic()
                try:
                    if not self._epoch():
                        return False
                    self._end_epoch(started)
                    if self.group.agreed(self.should_stop())[0] and not self.progress.finished:
                        self.save()
                        return False
                except DivergedError as error:
                    self._go_back(error)
            return True
        finally:
            gc.unfreeze()

    def train_step(self, batch: dict[str, Tensor], rows: int | None = None) -> Tensor:
        """One optimizer step on a batch that is on the device; its mean loss, a detached scalar.

        In a group `batch` is this process's share of `rows`.
        """
        step = self.progress.step
        rate = self.rates.at(step) * self.progress.rate
        if rate != self._lr:
            self._lr = rate
            self.stepper.optimizer.set_rate(rate)
        loss = self.stepper(batch, rows)
        if self.average is not None:
            self.average.after(step + 1, self.module)
        return loss

    def _epoch(self) -> bool:
        """The rest of this epoch; False when asked to stop."""
        at = self.progress
        for rows in self.train.epoch(
            self.config.seed,
            at.epoch,
            self.batch_size,
            start=at.position,
            window=at.window,
            balanced=self.config.balance == "sampling",
        ):
            whole = len(rows[ROW_ID])
            batch = self._prepared(rows)
            self._losses.add(self.train_step(batch, whole), whole)
            at.step += 1
            at.position += 1
            now = time.monotonic()
            due, self._time_is_up, stop, save = self.group.agreed(
                now - self._recorded_at >= RECORD_SECONDS or at.step in (1, self.steps),
                self._out_of_time(now),
                self.should_stop(),
                self._checkpoint_due(now),
            )
            if due:
                self._recorded_at = now
                self._record()
                saved = self._obey()
                save = save and not saved
            if at.step >= self.steps or self._time_is_up:
                break
            if stop:
                if self._losses:
                    # Else a person is told an earlier step than the one that is saved.
                    self._record()
                self.save()
                return False
            if save:
                self.save()
        return True

    def _prepared(self, rows: Batch) -> Batch:
        """This process's share of a batch, on the device and changed at random.

        An example that is mixed with its neighbour needs the whole batch beside it.
        """
        parts, epoch = self.stepper.parts, self.progress.epoch
        if self.augmenter.mixes:
            return self.group.share(self.augmenter(to_device(rows, self.device), epoch), parts)
        return self.augmenter(to_device(self.group.share(rows, parts), self.device), epoch)

    def _settle(self) -> tuple[float, int]:
        """Fetch the losses since the last call; their mean, and their rows."""
        told = self._losses.fetch(self.progress)
        self._settled_at = time.monotonic()
        return told

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
            grad_norm=self.stepper.gradient_norm(),
            examples_per_second=round(rows / max(1e-9, self._settled_at - since), 1),
            **self._device_use(),
        )

    def _end_epoch(self, started: float) -> None:
        at = self.progress
        self._settle()
        mean = at.loss_sum / max(1, at.loss_rows)
        at.epoch += 1
        last = at.step >= self.steps or self._time_is_up
        due = self.judge.due(at.epoch, last=last)
        metrics = {"train/loss": mean, **(self._scores() if due else {})}
        at.metrics = metrics
        at.position, at.loss_sum, at.loss_rows = 0, 0.0, 0
        improved = due and self._judge(metrics)
        at.finished = last or (due and self.judge.out_of_patience(at))
        self.emit(
            "epoch",
            epoch=at.epoch,
            step=at.step,
            train_loss=metrics["train/loss"],
            metrics=metrics,
            best=improved,
            seconds=round(time.monotonic() - started, 3),
        )
        if why := ending_words(self.config, at, self.whole, self.best, self.task.metric):
            self.emit("log", text=why)
        asks = self.samples is not None and self.samples.due(last=at.finished)
        if self.group.agreed(asks)[0] and self.samples is not None:
            with judged(self.module, self.average) as module:
                said = self.samples.ask(module, self.device)
            self.emit("samples", epoch=at.epoch, step=at.step, examples=said)
        since = time.monotonic() - self._saved_at
        if self.group.agreed(at.finished or since * SAVING_SHARE >= self._saving_took)[0]:
            self.save()
        self._settled_at = time.monotonic()

    def _judge(self, metrics: dict[str, float]) -> bool:
        """Keep these weights when no epoch was better."""
        at = self.progress
        if not self.judge.keeps(metrics, self.best, at):
            return False
        # Each process has a part to bring; the first one keeps the whole.
        brings = self.group.leads or self.group.shards
        weights: dict[str, Tensor] = {}
        if brings:
            with judged(self.module, self.average) as module:
                weights = snapshot.copied(module)
        kept = weights if self.group.leads else {}
        self.best = Best(self.judge.value(metrics), at.epoch, at.step, metrics, kept)
        return True

    def _scores(self) -> dict[str, float]:
        with judged(self.module, self.average) as module:
            return self.judge.scores(module, self.group)

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
        finite = all(each.isfinite().all() for each in self.parameters)
        if self.group.agreed(not finite)[0]:
            raise self._diverged(self.progress.step, "the weights are not finite")
        self.progress.seconds += began - self._clock
        self._clock = began
        kept, told = snapshot.tensors(self), snapshot.state(self)
        save = partial(self.checkpoints.save, self.progress.step, kept, told, self.group)
        patiently: Callable[[], Path] = partial(self.patiently, save)
        path = patiently() if self.group.shards else self.group.told(patiently)
        self._saved_at = self._settled_at = time.monotonic()
        self._saving_took = self._saved_at - began
        best = self.best is not None and self.best.step == self.progress.step
        self.emit("checkpoint", step=self.progress.step, path=str(path), best=best)
        return path

    def restore(self, checkpoint: Checkpoint) -> None:
        """Stand where the checkpoint was taken."""
        snapshot.restore(self, checkpoint)
        self._lr = -1.0
        self.rates.go_back(self.progress.step)

    def _go_back(self, error: DivergedError) -> None:
        """To the last good checkpoint or the start, and on with half the rate.

        Raises:
            DivergedError: that was done as often as it helps.
        """
        setbacks, rate = self.progress.setbacks + 1, self.progress.rate / 2
        if setbacks > SETBACKS:
            raise error
        self._losses.forget()
        checkpoint, _ = self.group.told(self.checkpoints.latest)
        if checkpoint is not None:
            self.restore(checkpoint)
        else:
            snapshot.begin_again(self, self._fresh)
            self._lr = -1.0
            self.rates.go_back(0)
        self.progress.setbacks, self.progress.rate = setbacks, rate
        step = self.progress.step
        self.emit("resumed", step=step, epoch=self.progress.epoch + 1)
        self.emit(
            "log",
            text=f"{error.what}: back to step {step}, with the learning rate times {rate:g}"
            f" ({setbacks} of {SETBACKS} tries)",
        )
        if checkpoint is not None:
            # Else a run that is killed now would make the same mistake again.
            self.save()

    def _obey(self) -> bool:
        """Do what was asked since the last record, from the next step on; whether that saved."""
        saved = False
        for number, wish in self.group.told(lambda: self.requests.new() if self.requests else []):
            step = self.progress.step
            if "lr" in wish:
                self.rates.ask(step, float(wish["lr"]))
            self.emit(OBEYED, request=number, step=step, **wish)
            if wish.get("checkpoint"):
                self.save()
                saved = True
        return saved

    def _out_of_time(self, now: float) -> bool:
        most = self.config.max_time
        return most is not None and self.progress.seconds + now - self._clock >= most

    def _told_split(self, parts: int) -> None:
        text = f"the memory is full: a step now takes its examples in {parts} parts"
        self.emit("log", text=text)

    def _diverged(self, step: int, what: str) -> DivergedError:
        kept = self.checkpoints.paths()
        return DivergedError(
            f"training has diverged: at step {step} {what}",
            where=f"the last good checkpoint is {kept[0].name}" if kept else "",
            hint=f"Train again with a smaller lr than {self.rates.peak:g}, or with clip=1.",
        )
