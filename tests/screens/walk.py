"""Walking through the app: waiting for what the screen shows, and runs made by hand."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from core.runs import lock
from core.runs.events import encode
from core.runs.run import Run
from core.workspace import Workspace
from tests.screens.golden import screen_text

DEADLINE = 90.0
LONG_AGO = "2020-01-15T12:00:00+00:00"
START = 1_579_089_600.0
"""The same moment in unix seconds; a date so old is shown as a date, whenever the test runs."""


async def until(pilot: Pilot[None], seen: str | Callable[[], bool]) -> str:
    """Let the app work until the screen shows a text, or something holds; the screen."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        await pilot.pause(0.02)
        shown = screen_text(pilot.app)
        if seen in shown if isinstance(seen, str) else seen():
            return shown
    raise AssertionError(f"never saw {seen!r}; the screen was:\n{screen_text(pilot.app)}")


def make_run(
    workspace: Workspace,
    name: str,
    events: list[dict[str, Any]],
    *,
    kind: str = "train",
    spec: dict[str, Any] | None = None,
    dataset: str | None = "penguins@2",
    model: str | None = "penguins_mlp",
    created: str = LONG_AGO,
    parent: str | None = None,
) -> Run:
    """A run's folder as its process would have left it; event n happened n seconds after START."""
    folder = workspace.runs / name
    for each in (folder, folder / "checkpoints", folder / "artifacts"):
        each.mkdir()
    (folder / "lock").touch()
    asked = {
        "format": 1,
        "id": name,
        "kind": kind,
        "created": created,
        "dataset": dataset,
        "model": model,
        "entry": None,
        "parent": parent,
        "spec": spec or {},
    }
    (folder / "run.json").write_text(json.dumps(asked))
    run = Run(folder, workspace)
    tell(run, events)
    return run


def tell(run: Run, events: list[dict[str, Any]]) -> None:
    """Append events to a run's log."""
    before = run.events_path.read_bytes().count(b"\n") if run.events_path.exists() else 0
    with run.events_path.open("ab") as log:
        for at, event in enumerate(events, before):
            log.write(encode({"time": START + at, **event}))


@contextmanager
def alive(run: Run) -> Iterator[None]:
    """Hold a run's lock, as its process does while it works."""
    held = lock.take(run.lock_path)
    assert held is not None
    lock.write_pid(held, os.getpid())
    try:
        yield
    finally:
        os.close(held)


PLAN: dict[str, Any] = {
    "event": "plan",
    "task": "tabular-classification",
    "architecture": "mlp",
    "parameters": 18_179,
    "examples": 266,
    "steps": 90,
    "epochs": 10,
    "steps_per_epoch": 9,
    "batch_size": 32,
    "lr": 0.002,
    "device": "cpu",
    "threads": 1,
    "metric": "accuracy",
    "higher_is_better": True,
}


def training(epochs: int) -> list[dict[str, Any]]:
    """The events of so many epochs of nine steps."""
    events: list[dict[str, Any]] = [
        {"event": "state", "state": "queued", "log": 0},
        {"event": "state", "state": "running", "pid": 1},
        {"event": "log", "text": "encoding the train split of penguins@2"},
        PLAN,
    ]
    for epoch in range(1, epochs + 1):
        events += [step_event(step) for step in range(9 * epoch - 8, 9 * epoch + 1)]
        metrics = {
            "train/loss": 1.1 / epoch,
            "val/loss": 1.2 / epoch,
            "val/accuracy": 1 - 0.5 / epoch,
        }
        events.append({"event": "epoch", "epoch": epoch, "step": 9 * epoch, "metrics": metrics})
    return events


def step_event(step: int) -> dict[str, Any]:
    return {
        "event": "step",
        "step": step,
        "epoch": (step - 1) // 9 + 1,
        "loss": 2.0 / (1 + step / 9),
        "lr": 0.002,
        "examples_per_second": 1234.5,
    }


FINISHED: list[dict[str, Any]] = [
    {"event": "result", "model": "penguins_mlp@1", "metrics": {"val/accuracy": 0.95}},
    {"event": "state", "state": "finished"},
]
FAILED: list[dict[str, Any]] = [
    {
        "event": "state",
        "state": "failed",
        "error": {
            "what": "training has diverged: at step 18 the loss is nan",
            "where": "the last good checkpoint is step-9",
            "hint": "Train again with a smaller lr than 0.9, or with clip=1.",
        },
    }
]


def make_model(workspace: Workspace, name: str = "penguins_mlp", **info: Any) -> Path:
    """A model's folder that can be listed, judged by name and read about, but not loaded."""
    folder = workspace.models / name / "1"
    folder.mkdir(parents=True)
    told = {
        "format": 1,
        "name": name,
        "task": "tabular-classification",
        "metric": "accuracy",
        "architecture": "mlp",
        "options": {"width": 128, "layers": 2, "dropout": 0.1},
        "shape": {"kind": "table", "numbers": 4, "categories": [3], "outputs": 3},
        "codec": {"target": "species", "labels": ["Adelie", "Chinstrap", "[b]Gentoo[/b]"]},
        "dataset": "penguins",
        "dataset_version": 2,
        "metrics": {"train/loss": 0.1, "val/loss": 0.2, "val/accuracy": 0.95},
        "baseline": {"val/accuracy": 0.44},
        "training": {
            "inputs": ["bill", "flipper", "mass", "depth", "island"],
            "epochs": 10,
            "batch_size": 32,
            "lr": 0.002,
            "best_epoch": 9,
        },
        "run": "train-20200115-120000-aaaa",
        "created": LONG_AGO,
        "parameters": 18_179,
        **info,
    }
    (folder / "model.json").write_text(json.dumps(told))
    (folder / "model.safetensors").write_bytes(b"\0" * 73_000)
    return folder
