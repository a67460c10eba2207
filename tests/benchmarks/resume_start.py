"""From the start of a run's process to its next step: fresh, and out of the middle of an epoch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from core.ingest import ingest
from core.runs.run import Run
from core.training.start import start_training
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns

SAMPLE = Path(__file__).parents[2] / "sample_data" / "images" / "mnist5k"
REPEATS = 5
DEADLINE = 120.0
# Of an epoch of 63 steps, so that every stop is in its middle.
STEPS_BEFORE = 20


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "home")
        ingest(workspace, str(SAMPLE), "digits")
        fresh, resumed = in_turns(REPEATS, lambda: _fresh(workspace), lambda: _resumed(workspace))
    return [Result("resumed in an epoch, more than fresh", resumed - fresh, None, "s", 1.0)]


def _fresh(workspace: Workspace) -> float:
    run = _start(workspace)
    took = _next_step(run, 1)
    run.stop(wait=DEADLINE)
    return took


def _resumed(workspace: Workspace) -> float:
    run = _start(workspace)
    _next_step(run, 1, STEPS_BEFORE)
    run.stop(wait=DEADLINE)
    run.launch()
    took = _next_step(run, 2)
    run.stop(wait=DEADLINE)
    return took


def _start(workspace: Workspace) -> Run:
    settings = {"dataset": "digits", "model": "cnn", "epochs": 50, "batch_size": 64, "threads": 1}
    return start_training(workspace, settings)


def _next_step(run: Run, launch: int, beyond: int = 0) -> float:
    """Seconds from a run's launch of that number to the first step it records beyond another."""
    launches, since = 0, 0.0
    for event in run.events(follow=True):
        if event["event"] == "state" and event["state"] == "queued":
            launches, since = launches + 1, event["time"]
        elif event["event"] == "step" and launches == launch and event["step"] > beyond:
            return float(event["time"] - since)
    raise RuntimeError(run.log_tail())
