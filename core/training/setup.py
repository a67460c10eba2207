"""What a training run decides when it first starts, and keeps, so that a resumed run is the same.

Nothing here loads torch: the app checks a person's settings with `choose` before it starts a run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import tasks
from core.atomic import write_json
from core.augmentation import written
from core.data.builtin.datasets import BUILTIN
from core.data.lake.lake import Lake, valid_name
from core.data.lake.version import Version
from core.data.splitting.split import ensure_split
from core.errors import LeptonError, UsageError, nearest
from core.models import architectures
from core.models.architectures import Architecture
from core.tasks.base import Fit, Task
from core.training.codec import learned
from core.training.config import TrainConfig
from core.workspace import Workspace

CONFIG = "config.json"
TASK = "task.json"


@dataclass(frozen=True)
class Choice:
    """What the settings mean for a data set as it is now."""

    version: Version
    fit: Fit
    kind: type[Task]
    architecture: Architecture
    name: str
    """The name that the trained model will have."""


@dataclass(frozen=True)
class Setup:
    """All that a run needs to start or to go on: resolved settings, rows, and the learnt codec."""

    config: TrainConfig
    version: Version
    task: Task

    def model_options(self) -> dict[str, Any]:
        return _options(self.config, self.task, of_task=False)

    def save(self, folder: Path) -> None:
        """Keep it in a run's artifacts."""
        folder.mkdir(exist_ok=True)
        write_json(folder / CONFIG, self.config.to_json())
        # Written last: with it the start is complete.
        write_json(folder / TASK, {"task": self.task.name, "codec": self.task.to_json()})


def choose(workspace: Workspace, config: TrainConfig) -> Choice:
    """Find the data set, task, architecture and model name that the settings mean.

    Raises:
        UsageError: there is no such data set, column, task, architecture or option, or they do not
            go together.
        LeptonError: there is nothing to learn from the target.
    """
    lake = Lake(workspace)
    version = _version(lake, config.dataset)
    with lake.open(version) as view:
        fit = tasks.guess(tasks.facts(view), config.target, config.task, config.inputs)
        kind = tasks.task(fit.task)
        kind.check_target(fit, view)
    architecture = architectures.architecture(config.model or kind.architectures[0])
    if architecture.name not in kind.architectures:
        raise UsageError(
            f"{architecture.name} is no model for {fit.task}",
            where=version.ref,
            hint=f"Use one of: {', '.join(kind.architectures)}.",
        )
    augmentations = written.read(config.augment)
    written.check(augmentations, kind.reads, mixes=kind.mixes, what=kind.name)
    known = [*kind.options, *architecture.defaults]
    unknown = [name for name in config.options if name not in known]
    if unknown:
        named = " and ".join(f'"{name}"' for name in unknown)
        raise UsageError(
            f"neither {architecture.name} nor {kind.name} has an option {named}",
            hint=nearest(unknown[0], known),
        )
    architecture.resolve(_options(config, kind, of_task=False))
    name = valid_name(config.name or f"{version.dataset}_{architecture.name}")
    return Choice(version, fit, kind, architecture, name)


def decide(
    workspace: Workspace, config: TrainConfig, *, device: str, precision: str, threads: int
) -> Setup:
    """Settle what the settings leave open, split the rows if need be, and learn the codec.

    Raises:
        UsageError: names in the settings are wrong.
        LeptonError: there is nothing to learn from the training rows.
    """
    choice = choose(workspace, config)
    kind, suggested = choice.kind, choice.architecture.suggested
    lake = Lake(workspace)
    version = ensure_split(lake, choice.version, target=choice.fit.target)
    of_task = _options(config, kind, of_task=True)
    with lake.open(version) as view:
        task = learned(workspace, view, kind, choice.fit, split="train", options=of_task)
    of_model = architectures.resolve(
        choice.architecture.name, task.shape, _options(config, kind, of_task=False)
    )
    settled = config.with_(
        dataset=version.ref,
        model=choice.architecture.name,
        task=choice.fit.task,
        target=choice.fit.target,
        inputs=choice.fit.inputs,
        name=choice.name,
        batch_size=config.batch_size or int(suggested["batch_size"]),
        lr=config.lr or suggested["lr"],
        clip=suggested.get("clip", 0.0) if config.clip is None else config.clip,
        precision=precision,
        device=device,
        threads=config.threads or threads,
        options={**of_task, **of_model},
    )
    return Setup(settled, version, task)


def load(workspace: Workspace, folder: Path) -> Setup | None:
    """What a run decided when it first started; None when it never got so far.

    Raises:
        UsageError: the data set's version is gone.
        LeptonError: the stored settings are damaged.
    """
    if not (folder / TASK).exists():
        return None
    try:
        kept = json.loads((folder / TASK).read_text())
        config = TrainConfig.from_mapping(json.loads((folder / CONFIG).read_text()))
        task = tasks.task(kept["task"]).from_json(kept["codec"])
    except (OSError, ValueError, KeyError, TypeError, LeptonError) as error:
        raise LeptonError(
            f"the run's own settings cannot be read: {error}",
            where=str(folder),
            hint="Start a new run.",
        ) from error
    return Setup(config, Lake(workspace).version(config.dataset), task)


def _version(lake: Lake, name: str) -> Version:
    try:
        return lake.version(name)
    except UsageError as error:
        if name not in BUILTIN:
            raise
        raise UsageError(error.what, hint=f"Bring it in first: lepton data import {name}") from None


def _options(config: TrainConfig, kind: type[Task] | Task, *, of_task: bool) -> dict[str, Any]:
    """The options that are the task's, or those that are the architecture's."""
    return {
        name: value for name, value in config.options.items() if (name in kind.options) == of_task
    }
