"""A training run, from a data set's name to a published model; a resumed one goes on."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from torch import nn

from core.data.lake.lake import Lake
from core.devices.facts import choose_threads, precision_on, resolve
from core.errors import DeviceFailedError, DiskFullError, LeptonError, UsageError, is_full
from core.models.folder import save_model
from core.models.hub.tuning import merged
from core.models.registry import ModelFolder, Models
from core.runs.job import Job, Stopped
from core.runs.requests import Requests
from core.runs.worker import elsewhere
from core.training import searching, sharding
from core.training import setup as setups
from core.training.checkpoint import Checkpoints
from core.training.checks import AUTO
from core.training.config import TrainConfig
from core.training.ending import ended_by
from core.training.feed import Split, compiled
from core.training.group import ALONE, Group
from core.training.launching import hold_devices, launch
from core.training.loop import Trainer
from core.training.module import untrained
from core.training.patience import Patience
from core.training.samples import Samples
from core.training.setup import Setup
from core.training.synced import synced

VALIDATION = "validation"


def run(job: Job) -> None:
    """Do a training run's work; started by the runs' worker process.

    Raises:
        UsageError: the settings, or names in them, are wrong.
        LeptonError: the data cannot be read, training diverges, or the disk is full.
    """
    setup = _started_before(job) or _first_start(job)
    hold_devices(job, setup.config)
    train, validation = splits(job, setup)
    if job.should_stop():
        return
    setup = _searched(job, setup, train)
    if setup.config.processes > 1:
        launch(job, setup.config)
    else:
        device = _there(job, setup.config.device)
        fit(job, setup, train, validation, device=device)


def fit(
    job: Job,
    setup: Setup,
    train: Split,
    validation: Split | None,
    *,
    device: torch.device,
    group: Group = ALONE,
) -> bool:
    """Train and publish the model, in a group as one of its processes; False: asked to stop."""
    trainer = _trainer(job, setup, train, validation, device=device, group=group)
    if group.leads or group.shards:
        with Lake(job.workspace).open(setup.version) as view:
            trainer.samples = Samples.pick(
                setup.task, view, validation or train, seed=setup.config.seed
            )
    job.emit("plan", **_plan(setup, trainer))
    _resume(job, trainer)
    if window := trainer.progress.window:
        job.emit("log", text=f"the rows do not fit into memory: {window:,} are mixed at a time")
    done = trainer.fit()
    # Now, while all are at the same place: the first one may have to wait for room to publish.
    group.leave()
    if done and group.leads:
        assert trainer.best is not None
        # The others of a group have left, so nobody is asked whether to wait.
        patiently = Patience(job.wait, job.emit)
        model = _published(job) or patiently(_publish, job, setup, trainer)
        why = ended_by(setup.config, trainer.progress, trainer.whole)
        metrics = trainer.best.metrics
        patiently(job.emit, "result", model=model.ref, metrics=metrics, ended_by=why)
    return done


def _started_before(job: Job) -> Setup | None:
    """What was decided at the first start, on the device that is the run's now."""
    setup = setups.load(job.workspace, job.run.artifacts)
    if setup is None:
        return None
    before = setup.config.device
    device = str(_there(job, job.device or job.run.moved or before))
    if device == before:
        return setup
    setup = dataclasses.replace(setup, config=setup.config.with_(device=device))
    # The processes of a group read it there.
    setup.save(job.run.artifacts)
    return setup


def _first_start(job: Job) -> Setup:
    config = TrainConfig.from_mapping(job.spec)
    device = _there(job, job.device or job.run.moved or config.device)
    setup = setups.decide(
        job.workspace,
        config,
        device=str(device),
        precision=precision_on(config.precision, device),
        threads=max(1, choose_threads() // config.devices),
    )
    for note in setup.notes:
        job.emit("log", text=note)
    setup.save(job.run.artifacts)
    return setup


def _there(job: Job, name: str) -> torch.device:
    """The run's device.

    Raises:
        DeviceFailedError: it was there when the run was asked for, and is not now.
    """
    try:
        return resolve(name)
    except UsageError as error:
        gone = DeviceFailedError(
            error.what, where=job.run.id, hint=f"{error.hint} {elsewhere(job.run)}".strip()
        )
        gone.device = job.device
        raise gone from error


def splits(job: Job, setup: Setup) -> tuple[Split, Split | None]:
    """The encoded training split, and the validation split when it has rows."""

    say = partial(_say, job)
    with Lake(job.workspace).open(setup.version) as view:
        train = compiled(
            job.workspace, view, setup.task, "train", say=say, should_stop=job.should_stop
        )
        if not view.count(VALIDATION):
            say("no validation rows: the last epoch's weights will be the model")
            return train, None
        return train, compiled(
            job.workspace, view, setup.task, VALIDATION, say=say, should_stop=job.should_stop
        )


def _module(setup: Setup, train: Split | None, say: Callable[[str], None]) -> nn.Module:
    """The module to begin with; what is not pretrained of it is drawn by the run's seed."""
    config = setup.config
    assert config.threads is not None
    torch.set_num_threads(config.threads)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.manual_seed(config.seed)
    return untrained(setup, train.tensors if train else None, say)


def _say(job: Job, text: str) -> None:
    job.emit("log", text=text)


def _searched(job: Job, setup: Setup, train: Split) -> Setup:
    """The setup with a batch size and a learning rate in the place of "auto"; kept in the run."""
    config = setup.config
    if AUTO not in (config.batch_size, config.lr):
        return setup
    module, device = _module(setup, train, partial(_say, job)), resolve(config.device)
    if config.batch_size == AUTO:
        size = searching.batch_size(module, setup.task, train, config, device)
        config = config.with_(batch_size=size)
        job.emit("log", text=f"batch_size {size}: larger ones are hardly quicker here")
    if config.lr == AUTO:
        rate = searching.learning_rate(
            module, setup.task, train, config, device, should_stop=job.should_stop
        )
        config = config.with_(lr=rate)
        job.emit("log", text=f"lr {rate:g}: a tenth of where the loss was lowest")
    if job.should_stop():
        raise Stopped
    found = dataclasses.replace(setup, config=config)
    found.save(job.run.artifacts)
    return found


def _trainer(
    job: Job,
    setup: Setup,
    train: Split,
    validation: Split | None,
    *,
    device: torch.device,
    group: Group,
) -> Trainer:
    config = setup.config
    module = _module(setup, train, partial(_say, job))
    if group.size > 1:
        synced(module)
    patience = Patience(job.wait, job.emit)
    patiently = patience
    checkpoints = Checkpoints(job.run.checkpoints)
    if group.shards:
        checkpoints = Checkpoints(sharding.common(checkpoints.folder, group))
        # All save together, and wait together.
        patiently = Patience(
            lambda seconds: group.agreed(job.wait(seconds))[0], job.emit, speaks=group.leads
        )
    return Trainer(
        module,
        setup.task,
        train,
        validation,
        config=config,
        checkpoints=checkpoints,
        device=device,
        emit=partial(patience, job.emit),
        should_stop=job.should_stop,
        patiently=patiently,
        requests=Requests(job.run.path, job.run.events()) if group.leads else None,
        group=group,
    )


def _plan(setup: Setup, trainer: Trainer) -> dict[str, Any]:
    config = setup.config
    return {
        "task": config.task,
        "architecture": config.model,
        "parameters": sum(each.numel() for each in trainer.module.parameters()),
        "trained": sum(each.numel() for each in trainer.parameters),
        "dataset": setup.version.ref,
        "target": config.target,
        "examples": trainer.train.rows,
        "validation_examples": trainer.judge.rows,
        "steps": trainer.steps,
        "epochs": config.epochs,
        "steps_per_epoch": trainer.steps_per_epoch,
        "batch_size": config.batch_size,
        "lr": config.lr,
        "optimizer": config.optimizer,
        "precision": config.precision,
        "augment": list(config.augment),
        "device": config.device,
        "devices": trainer.group.size,
        "threads": config.threads,
        "metric": setup.task.metric,
        "higher_is_better": setup.task.higher_is_better,
    }


def _resume(job: Job, trainer: Trainer) -> None:
    """Go on from the newest whole checkpoint, and tell watchers what to take back."""
    checkpoint, notes = trainer.group.told(trainer.checkpoints.latest)
    for note in notes:
        job.emit("log", text=note)
    if checkpoint is not None:
        trainer.restore(checkpoint)
        at = trainer.progress
        job.emit("resumed", step=at.step, epoch=at.epoch if at.finished else at.epoch + 1)
    elif any(event["event"] == "step" for event in job.run.events()):
        job.emit("log", text="there is no whole checkpoint: training starts again")
        job.emit("resumed", step=0, epoch=1)


def _published(job: Job) -> ModelFolder | None:
    """This run's model, when the run was killed between publishing it and saying so."""
    models = Models(job.workspace).list()
    return next((folder for folder in models if folder.info.get("run") == job.run.id), None)


def _publish(job: Job, setup: Setup, trainer: Trainer) -> ModelFolder:
    """The best weights as the next version of the model."""
    config, best = setup.config, trainer.best
    assert config.name is not None
    assert best is not None
    # Where the model is in parts here, it is put together in a new one.
    again = partial(_module, setup, None, partial(_say, job))
    module = again() if trainer.group.shards else trainer.module
    module.load_state_dict(best.weights)
    info = {
        "name": config.name,
        "architecture": setup.architecture,
        "base": setup.base.ref if setup.base else None,
        "from": config.init_from,
        "options": setup.model_options(),
        "dataset": setup.version.dataset,
        "dataset_version": setup.version.n,
        "metrics": best.metrics,
        "baseline": trainer.judge.baseline(),
        "run": job.run.id,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "training": {**config.to_json(), "best_epoch": best.epoch, "best_step": best.step},
    }
    staged: Path = job.workspace.tmp / f"{os.getpid()}-{uuid4().hex}.model"
    try:
        staged.mkdir()
        save_model(staged, merged(module), setup.task, info)
        return Models(job.workspace).publish(config.name, staged)
    except (OSError, SafetensorError) as error:
        kind = DiskFullError if is_full(error) else LeptonError
        raise kind(
            f"the model could not be saved: {getattr(error, 'strerror', None) or error}",
            where=str(job.workspace.models),
            hint="Make room on the disk, then resume the run.",
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
