"""The list of runs beside ten thousand old ones: what the Train screen reads every two seconds."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from core.runs.events import encode
from core.runs.store import Runs
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds

RUNS = 10_000
SHOWN = 100
STEPS = 200
REPEATS = 5


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.open(home)
        _make(workspace)
        runs = Runs(workspace)

        def look() -> float:
            newest = islice(runs.newest("train"), SHOWN)
            return seconds(lambda: [run.state() for run in newest])

        first = look()
        listing, alive = in_turns(REPEATS, look, lambda: seconds(runs.alive))
    return [
        Result(f"first list beside {RUNS:,} runs", first * 1e3, None, "ms", 200),
        Result(f"list of runs beside {RUNS:,}", listing * 1e3, None, "ms", 100),
        Result(f"which of {RUNS:,} runs are alive", alive * 1e3, None, "ms", 200),
    ]


def _make(workspace: Workspace) -> None:
    log = b"".join(map(encode, _events()))
    for at in range(RUNS):
        made = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=at)
        name = f"train-{made:%Y%m%d-%H%M%S}-{at:04d}"
        folder: Path = workspace.runs / name
        folder.mkdir()
        (folder / "lock").touch()
        asked = {"id": name, "kind": "train", "created": made.isoformat(), "spec": {}}
        (folder / "run.json").write_text(json.dumps(asked))
        (folder / "events.jsonl").write_bytes(log)


def _events() -> list[dict[str, object]]:
    steps: list[dict[str, object]] = [
        {"time": float(step), "event": "step", "step": step, "loss": 1 / step}
        for step in range(1, STEPS + 1)
    ]
    begin = [
        {"time": 0.0, "event": "state", "state": "running", "pid": 1},
        {"time": 0.0, "event": "plan", "steps": STEPS, "epochs": 1, "batch_size": 32},
    ]
    return [*begin, *steps, {"time": 1e3, "event": "state", "state": "finished"}]
