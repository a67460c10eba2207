"""What a training run decides when it first starts, and keeps: a resumed run is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import tasks
from core.atomic import write_json
from core.data.lake.lake import Lake
from core.data.lake.steps import not_placed
from core.data.lake.version import Version
from core.data.splitting.split import ensure_split
from core.errors import LeptonError
from core.models import architectures
from core.models.hub.base import Base
from core.models.hub.table import PRETRAINED
from core.models.registry import task_of
from core.tasks.base import Task
from core.training.choice import Choice, choose, model_options, task_options
from core.training.codec import learned
from core.training.config import TrainConfig
from core.training.origin import taken_over
from core.workspace import Workspace

SGD_RATE = 20
CONFIG = "config.json"
TASK = "task.json"


@dataclass(frozen=True)
class Setup:
    """All that a run needs to start or to go on: resolved settings, rows, and the learnt codec."""

    config: TrainConfig
    version: Version
    task: Task
    base: Base | None = None
    origin: Path | None = None
    """The folder of a trained model, whose weights are the first ones."""

    @property
    def architecture(self) -> str:
        return PRETRAINED.name if self.base else str(self.config.model)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the rows."""
        ordered = "time" in self.task.split_way(self.task.columns)
        # A task that reads the time says itself what becomes of rows without one.
        note = None if ordered else not_placed(self.version.params)
        return (*self.task.notes, note) if note else self.task.notes

    def model_options(self) -> dict[str, Any]:
        """What its model is built from."""
        own = model_options(self.config, self.task)
        return {**own, "structure": dict(self.base.structure)} if self.base else own

    def save(self, folder: Path) -> None:
        """Keep it in a run's artifacts."""
        folder.mkdir(exist_ok=True)
        write_json(folder / CONFIG, self.config.to_json())
        # Written last: with it the start is complete.
        base = self.base.to_json() if self.base else None
        origin = str(self.origin) if self.origin else None
        codec = self.task.to_json()
        kept = {"task": self.task.name, "codec": codec, "base": base, "origin": origin}
        write_json(folder / TASK, kept)


def decide(
    workspace: Workspace, config: TrainConfig, *, device: str, precision: str, threads: int
) -> Setup:
    """Settle what the settings leave open, split the rows if need be, and learn the codec.

    Raises:
        UsageError: names in the settings are wrong.
        LeptonError: there is nothing to learn from the training rows.
    """
    choice = choose(workspace, config)
    lake = Lake(workspace)
    version = split_for(lake, choice)
    with lake.open(version) as view:
        if choice.origin is not None:
            config = taken_over(config, choice.origin)
            task = task_of(choice.origin)
        else:
            options = task_options(config, choice.kind)
            task = learned(
                workspace,
                view,
                choice.kind,
                choice.fit,
                split="train",
                options=options,
                **choice.as_it_reads,
            )
    settled = settle(config, choice, task, device=device, precision=precision, threads=threads)
    origin = choice.origin.path if choice.origin else None
    return Setup(settled.with_(dataset=version.ref), version, task, choice.base, origin)


def split_for(lake: Lake, choice: Choice) -> Version:
    """The version that is trained on: with the rows split, in the way that suits the task.

    Raises:
        UsageError: no row is marked for training.
        LeptonError: there are too few rows.
    """
    return ensure_split(lake, choice.version, **split_way(choice))


def split_way(choice: Choice) -> dict[str, Any]:
    """How `ensure_split` and `lacking_split` are to split the rows."""
    fit = choice.fit
    return {"target": fit.target, "task": fit.task, **choice.kind.split_way(fit.inputs)}


def settle(
    config: TrainConfig, choice: Choice, task: Task, *, device: str, precision: str, threads: int
) -> TrainConfig:
    """The settings with a value for everything they leave open, but for what is "auto"."""
    suggested = choice.architecture.suggested
    of_task = task_options(config, choice.kind)
    of_model = architectures.resolve(
        choice.architecture.name, task.shape, model_options(config, choice.kind)
    )
    return config.with_(
        dataset=choice.version.ref,
        model=choice.base.ref if choice.base else choice.architecture.name,
        task=choice.fit.task,
        target=choice.fit.target,
        inputs=choice.fit.inputs,
        name=choice.name,
        batch_size=config.batch_size or int(suggested["batch_size"]),
        lr=config.lr or _suggested_rate(config, suggested),
        clip=suggested.get("clip", 0.0) if config.clip is None else config.clip,
        precision=precision,
        device=device,
        threads=config.threads or threads,
        options={**of_task, **of_model},
    )


def _suggested_rate(config: TrainConfig, suggested: Mapping[str, float]) -> float:
    """The architecture's own rate, which is for AdamW; SGD takes steps of the gradient's size."""
    return suggested["lr"] * (SGD_RATE if config.optimizer == "sgd" else 1)


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
        base = Base.from_json(kept["base"]) if kept.get("base") else None
        origin = Path(kept["origin"]) if kept.get("origin") else None
    except (OSError, ValueError, KeyError, TypeError, LeptonError) as error:
        raise LeptonError(
            f"the run's own settings cannot be read: {error}",
            where=str(folder),
            hint="Start a new run.",
        ) from error
    return Setup(config, Lake(workspace).version(config.dataset), task, base, origin)
