"""What a training run decides when it first starts, and keeps, so that a resumed run is the same.

Nothing here loads torch: the app checks a person's settings with `choose` before it starts a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import tasks
from core.atomic import write_json
from core.augmentation import written
from core.data.builtin.datasets import BUILTIN
from core.data.lake.lake import Lake, valid_name
from core.data.lake.version import Version
from core.data.lake.view import View
from core.data.splitting.split import ensure_split
from core.errors import LeptonError, UsageError, nearest
from core.models import architectures
from core.models.architecture import Architecture
from core.models.hub.base import Base, is_base
from core.models.hub.table import PRETRAINED
from core.models.registry import ModelFolder, Models, task_of
from core.options import resolved
from core.tasks.base import Fit, Task
from core.training.codec import learned
from core.training.config import TrainConfig
from core.training.origin import base_of, taken_over
from core.workspace import Workspace

SGD_RATE = 20
SHOWN = 5
"""Labels that an error names."""
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
    base: Base | None = None
    """The pretrained model to go on from."""
    origin: ModelFolder | None = None
    """The model that Lepton trained to go on from."""

    @property
    def as_it_reads(self) -> dict[str, Any]:
        """What the task is to learn with beside its options: how the pretrained model reads."""
        if self.base is None or self.origin is not None:
            return {}
        return {"reading": self.base.reading(self.kind.reads)}


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


def choose(workspace: Workspace, config: TrainConfig) -> Choice:
    """Find the data set, task, architecture and model name that the settings mean.

    Raises:
        UsageError: there is no such data set, column, task, architecture or option, or they do not
            go together.
        LeptonError: there is nothing to learn from the target.
    """
    lake = Lake(workspace)
    version = _version(lake, config.dataset)
    origin = Models(workspace).get(config.init_from) if config.init_from else None
    if origin is not None:
        config = taken_over(config, origin)
    with lake.open(version) as view:
        fit = tasks.guess(tasks.facts(view), config.target, config.task, config.inputs)
        kind = tasks.task(fit.task).for_fit(fit)
        kind.check_target(fit, view)
        if origin is not None:
            _check_known(origin, kind, fit, view)
    if origin is not None:
        base = base_of(origin)
    else:
        base = Base.find(str(config.model)) if is_base(config.model) else None
    architecture = _architecture(config, kind, version, base)
    mistakes: list[UsageError] = []
    for check in (
        lambda: written.check(
            written.read(config.augment),
            kind.reads,
            mixes=kind.mixes,
            boxes=kind.boxes,
            what=kind.name,
        ),
        lambda: _check_classes(config, kind),
        lambda: check_options(config, kind, architecture),
        lambda: base and not origin and base.reading(kind.reads),
        lambda: valid_name(_name(config, version, architecture, base)),
    ):
        try:
            check()
        except UsageError as error:
            mistakes.append(error)
    if mistakes:
        raise _together(mistakes)
    name = _name(config, version, architecture, base)
    return Choice(version, fit, kind, architecture, name, base, origin)


def _check_known(origin: ModelFolder, kind: type[Task], fit: Fit, view: View) -> None:
    """Refuse rows with answers that a trained model has no output for."""
    task = task_of(origin)
    if type(task) is not kind:
        raise UsageError(
            f"{origin.ref} has one label for a row, or several, where the rows have it otherwise",
            where=view.version.ref,
        )
    if strangers := task.strangers(fit, view):
        more = ", …" if len(strangers) > SHOWN else ""
        raise UsageError(
            f"{origin.ref} does not know these of {fit.target}: "
            f"{', '.join(strangers[:SHOWN])}{more}",
            where=view.version.ref,
            hint="Train a new model, or leave those rows out.",
        )


def _architecture(
    config: TrainConfig, kind: type[Task], version: Version, base: Base | None
) -> Architecture:
    if base is not None:
        if not kind.takes_pretrained:
            raise UsageError(
                f"pretrained models are not taken for {kind.name}",
                where=version.ref,
                hint=f"Use one of: {', '.join(kind.architectures)}.",
            )
        architecture = base.architecture(config.options)
        architecture.check_installed()
        return architecture
    architecture = architectures.architecture(config.model or kind.architectures[0])
    if architecture.name not in kind.architectures:
        raise UsageError(
            f"{architecture.name} is no model for {kind.name}",
            where=version.ref,
            hint=f"Use one of: {', '.join(kind.architectures)}.",
        )
    architecture.check_installed()
    return architecture


def check_options(config: TrainConfig, kind: type[Task], architecture: Architecture) -> None:
    """Look at the options of a task and a model before there are rows.

    Raises:
        UsageError: neither has one of that name, or it cannot have that value.
    """
    known = [*(option.name for option in kind.options), *architecture.defaults]
    unknown = [name for name in config.options if name not in known]
    if unknown:
        named = " and ".join(f'"{name}"' for name in unknown)
        raise UsageError(
            f"neither {architecture.name} nor {kind.name} has an option {named}",
            hint=nearest(unknown[0], known),
        )
    resolved(kind.options, task_options(config, kind), kind.name)
    architecture.resolve(model_options(config, kind))


def _check_classes(config: TrainConfig, kind: type[Task]) -> None:
    if kind.tells_classes:
        return
    for name, asked in (
        ("balance", config.balance != "none"),
        ("label_smoothing", config.label_smoothing > 0),
    ):
        if asked:
            raise UsageError(f"{name} is for tasks with classes, and {kind.name} has none")


def _name(
    config: TrainConfig, version: Version, architecture: Architecture, base: Base | None
) -> str:
    return config.name or f"{version.dataset}_{base.short if base else architecture.name}"


def _together(mistakes: list[UsageError]) -> UsageError:
    """Several mistakes as one error; a single one as it is."""
    if len(mistakes) == 1:
        return mistakes[0]
    told = "; ".join(f"{each.what}. {each.hint}".rstrip(". ") for each in mistakes)
    return UsageError(f"the training settings have {len(mistakes)} mistakes: {told}")


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


def _version(lake: Lake, name: str) -> Version:
    try:
        return lake.version(name)
    except UsageError as error:
        if name not in BUILTIN:
            raise
        raise UsageError(error.what, hint=f"Bring it in first: lepton data import {name}") from None


def task_options(config: TrainConfig, kind: type[Task] | Task) -> dict[str, Any]:
    """The options that are the task's."""
    own = {option.name for option in kind.options}
    return {name: value for name, value in config.options.items() if name in own}


def model_options(config: TrainConfig, kind: type[Task] | Task) -> dict[str, Any]:
    """The options that are the architecture's: all others."""
    own = {option.name for option in kind.options}
    return {name: value for name, value in config.options.items() if name not in own}
