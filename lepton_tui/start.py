"""Starting a training: everything that can be wrong is found before a process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.data.lake import Lake, valid_name
from core.errors import LeptonError, UsageError
from core.models.architectures import architecture
from core.runs.run import Run
from core.runs.store import Runs
from core.tasks import facts, guess
from core.tasks import task as task_named
from core.training.config import TrainConfig
from core.workspace import Workspace


def start_training(workspace: Workspace, settings: Mapping[str, Any]) -> Run:
    """Check the settings of a training, write its run down and launch it.

    Raises:
        UsageError: a setting, the data set, a column or the model is not what it must be.
        LeptonError: no process can be started.
    """
    config = TrainConfig.from_mapping(settings)
    version = Lake(workspace).version(config.dataset)
    if config.name is not None:
        valid_name(config.name)
    with Lake(workspace).open(version) as view:
        fit = guess(facts(view), config.target, config.task, config.inputs)
    task = task_named(fit.task)
    model = config.model or task.architectures[0]
    architecture(model).resolve(config.options)
    if model not in task.architectures:
        raise UsageError(
            f"{model} is no model for {fit.task}",
            where=version.ref,
            hint=f"Use one of: {', '.join(task.architectures)}.",
        )
    run = Runs(workspace).create(
        "train", config.to_json(), dataset=version.ref, model=config.name or model
    )
    try:
        run.launch()
    except LeptonError:
        run.remove()
        raise
    return run
