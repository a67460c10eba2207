"""What the settings of a training mean for the data as it is now, and all that is wrong with them.

Nothing here loads torch: the app checks a person's settings before it starts a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from core import tasks
from core.augmentation import written
from core.data.builtin.datasets import BUILTIN
from core.data.lake.lake import Lake
from core.data.lake.names import valid_name
from core.data.lake.version import Version
from core.data.lake.view import View
from core.devices import facts
from core.errors import Mistakes, UsageError, nearest, together
from core.models import architectures
from core.models.architecture import Architecture
from core.models.hub.base import Base, is_base
from core.models.registry import ModelFolder, Models, task_of
from core.options import resolved
from core.runs.queue import AUTO, PROCESSOR
from core.tasks.base import Fit, Task
from core.training.config import WHOSE, TrainConfig
from core.training.origin import base_of, taken_over
from core.workspace import Workspace

SHOWN = 5
"""Labels that an error names."""


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
        """What the task is to learn with beside its options: how the model reads, if not as the
        task has it."""
        if self.origin is not None:
            return {}
        reading = self.base.reading(self.kind.reads) if self.base else self.architecture.reading
        return {} if reading is None else {"reading": reading}


def asked(
    workspace: Workspace, settings: Mapping[str, Any], notes: list[str] | None = None
) -> tuple[TrainConfig, Choice]:
    """What a person asks for, checked as a whole: the settings, and what they mean for the data.

    `notes` is told of settings that have another name here.

    Raises:
        UsageError: keys, values, options, columns, the device: all that is wrong, at once.
        LeptonError: there is nothing to learn from the target.
    """
    config, wrong = TrainConfig.read(settings, notes)
    found = Mistakes()
    found.found += wrong
    found.attempt(lambda: check_device(config))
    choice = found.attempt(lambda: choose(workspace, config)) if config.dataset else None
    if len(found.found) == 1 and wrong:
        raise UsageError(f"{WHOSE} have a mistake: {wrong[0]}")
    if found.found or choice is None:
        raise together(found.found, WHOSE)
    return config, choice


def check_device(config: TrainConfig) -> None:
    """Refuse a device that this machine does not have. Torch is asked only where nobody else can
    tell, in a process of its own.

    Raises:
        UsageError: it is not there, or fewer are than are to train together.
    """
    kind, _, first = config.device.partition(":")
    if kind in (PROCESSOR, "xla") or (kind == AUTO and config.devices == 1):
        return
    there = facts.accelerators()
    if there is None:
        there = facts.ask_torch()
    if kind == AUTO:
        if not there:
            return
        kind = there[0].partition(":")[0]
    wanted = [f"{kind}:{int(first or 0) + at}" for at in range(config.devices)]
    missing = [name for name in wanted if name not in there]
    if not missing:
        return
    known = ", ".join([*there, PROCESSOR])
    if config.devices > 1:
        what = f"devices={config.devices} needs {missing[0]}, and this machine has none"
    else:
        what = f'this machine has no device "{config.device}"'
    raise UsageError(what, hint=f"There are: {known}.")


def choose(workspace: Workspace, config: TrainConfig) -> Choice:
    """Find the data set, task, architecture and model name that the settings mean.

    Raises:
        UsageError: there is no such data set, column, task, architecture or option, or they do not
            go together; all that is wrong, at once.
        LeptonError: there is nothing to learn from the target.
    """
    lake, found = Lake(workspace), Mistakes()
    version = found.attempt(lambda: _version(lake, config.dataset))
    origin, own = None, config
    if config.init_from:
        origin, own = found.attempt(lambda: _origin(workspace, config)) or (None, config)
    fit, kind = None, None
    if version is not None:
        with lake.open(version) as view:
            fit = found.attempt(
                lambda: tasks.guess(tasks.facts(view), own.target, own.task, own.inputs)
            )
            if fit is not None:
                kind = tasks.task(fit.task).for_fit(fit)
                found.attempt(partial(_check_rows, kind, fit, view, origin))
    if kind is None and own.task in tasks.TASKS:
        # What does not hang on the rows can be wrong beside them.
        kind = tasks.task(own.task)
    base = found.attempt(lambda: _base(own, origin))
    architecture = None
    if kind is not None:
        if base is not None or not is_base(own.model):
            architecture = found.attempt(partial(_architecture, own, kind, base))
        found.attempt(partial(_check_augmentations, own, kind))
        found.attempt(partial(_check_classes, own, kind))
        if base is not None and origin is None and kind.takes_pretrained:
            found.attempt(partial(base.reading, kind.reads))
        if architecture is not None:
            found.attempt(partial(check_options, own, kind, architecture))
    elif own.model and not is_base(own.model):
        found.attempt(lambda: _check_model(own))
    if version is not None and architecture is not None:
        found.attempt(partial(valid_name, _name(own, version, architecture, base)))
    elif own.name:
        found.attempt(lambda: valid_name(str(own.name)))
    if found.found or version is None or fit is None or kind is None or architecture is None:
        raise together(found.found, WHOSE)
    name = _name(own, version, architecture, base)
    return Choice(version, fit, kind, architecture, name, base, origin)


def _origin(workspace: Workspace, config: TrainConfig) -> tuple[ModelFolder, TrainConfig]:
    """The model that is gone on from, and the settings with what it decides."""
    assert config.init_from is not None
    origin = Models(workspace).get(config.init_from)
    return origin, taken_over(config, origin)


def _base(config: TrainConfig, origin: ModelFolder | None) -> Base | None:
    if origin is not None:
        return base_of(origin)
    return Base.find(str(config.model)) if is_base(config.model) else None


def _check_model(config: TrainConfig) -> None:
    """What can be wrong with a model whatever it is to do."""
    known = architectures.architecture(str(config.model))
    known.resolve({name: v for name, v in config.options.items() if name in known.defaults})


def _check_augmentations(config: TrainConfig, kind: type[Task]) -> None:
    written.check_task(written.read(config.augment), kind)


def _check_rows(kind: type[Task], fit: Fit, view: View, origin: ModelFolder | None) -> None:
    kind.check_target(fit, view)
    if origin is not None:
        _check_known(origin, kind, fit, view)


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


def _architecture(config: TrainConfig, kind: type[Task], base: Base | None) -> Architecture:
    if base is not None:
        if not kind.takes_pretrained:
            raise UsageError(
                f"pretrained models are not taken for {kind.name}",
                where=config.dataset,
                hint=f"Use one of: {', '.join(kind.architectures)}.",
            )
        architecture = base.architecture(config.options)
        architecture.check_installed()
        return architecture
    architecture = architectures.architecture(config.model or kind.architectures[0])
    if architecture.name not in kind.architectures:
        raise UsageError(
            f"{architecture.name} is no model for {kind.name}",
            where=config.dataset,
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
    found = Mistakes()
    if unknown:
        named = " and ".join(f'"{name}"' for name in unknown)
        error = UsageError(
            f"neither {architecture.name} nor {kind.name} has an option {named}",
            hint=nearest(unknown[0], known),
        )
        found.found.append(error)
    of_model = {n: v for n, v in model_options(config, kind).items() if n not in unknown}
    found.attempt(lambda: resolved(kind.options, task_options(config, kind), kind.name))
    found.attempt(lambda: architecture.resolve(of_model))
    if found.found:
        raise together(found.found, WHOSE)


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
