"""A workspace with a lake, and runs and models that refer to its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.atomic import write_json
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.runs.events import EventWriter
from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Workspace.open(tmp_path / "home"))


def versions(lake: Lake, count: int, name: str = "things") -> list[Version]:
    """A line of versions, each with rows of its own."""
    made: list[Version] = []
    for n in range(count):
        rows = pa.table({"x": list(range(n, n + 100))})
        parents = [made[-1].ref] if made else []
        made.append(lake.commit(name, rows, op="clean" if made else "import", parents=parents))
    return made


def run_of(
    lake: Lake, asked: str, *states: str, kind: str = "train", settled: str = "", **result: Any
) -> Run:
    """A run that asked for a data set, with the states its log tells."""
    run = Runs(lake.workspace).create(kind, {"dataset": asked}, dataset=asked)
    if settled:
        write_json(run.artifacts / "config.json", {"dataset": settled})
    with EventWriter(run.events_path) as events:
        for state in states:
            if state in ("finished", "stopped") and result:
                events.write("result", **result)
            events.write("state", state=state)
    return run


def model_of(lake: Lake, version: Version, name: str = "net") -> None:
    folder = lake.workspace.models / name / "1"
    folder.mkdir(parents=True)
    info = {"dataset": version.dataset, "dataset_version": version.n, "architecture": "mlp"}
    write_json(folder / "model.json", info)
