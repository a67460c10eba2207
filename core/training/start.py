"""Starting a training: what can be wrong with the request is found before a process is started."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.atomic import write_json
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.runs.run import Run
from core.runs.store import Runs
from core.training.choice import asked, check_device
from core.training.config import TrainConfig
from core.training.setup import CONFIG
from core.workspace import Workspace


def change_devices(run: Run, **changes: int | bool) -> None:
    """Have a training that does not run go on with other `devices`, or with `shard` or without.

    Batches and their order stay what they are.

    Raises:
        UsageError: it is no training, it runs or has not begun, or the settings do not go together.
        LeptonError: its settings cannot be read or written.
    """
    path = run.artifacts / CONFIG
    if run.kind != "train" or not path.exists():
        raise UsageError("this is no training that has begun", where=run.id)
    if (state := run.state().state) in ("running", "finished"):
        raise UsageError(f"the run is {state}", where=run.id)
    try:
        kept = json.loads(path.read_text())
        write_json(path, TrainConfig.from_mapping({**kept, **changes}).to_json())
    except (OSError, ValueError, TypeError) as error:
        raise LeptonError(
            f"the run's settings cannot be changed: {error}", where=str(path)
        ) from error


def check_move(run: Run, device: str) -> None:
    """Refuse another device for a run that cannot take it.

    Raises:
        UsageError: it is no training, or this machine has no such device, or too few of them.
    """
    if run.kind != "train":
        raise UsageError("only a training goes on on another device", where=run.id)
    asked = {"dataset": run.id, "device": device, "devices": run.together}
    check_device(TrainConfig.from_mapping(asked))


def start_training(
    workspace: Workspace,
    settings: Mapping[str, Any],
    notes: list[str] | None = None,
    *,
    parent: str | None = None,
) -> Run:
    """Check the settings of a training, write its run down and launch it, detached.

    Where its device is not free it waits in the queue, behind those that wait already. `notes` is
    told of settings that have another name here. `parent` says what the run is a part of.

    Raises:
        UsageError: a setting, the data set, a column or the model is not what it must be.
        LeptonError: no process can be started.
    """
    config, choice = asked(workspace, settings, notes)
    runs = Runs(workspace)
    runs.revive()
    with Lake(workspace).held(choice.version):
        run = runs.create(
            "train",
            config.to_json(),
            dataset=choice.version.ref,
            model=choice.name,
            device=config.device,
            queue=config.queue,
            devices=config.devices,
            parent=parent,
        )
    try:
        run.launch()
    except LeptonError:
        run.remove()
        raise
    return run
