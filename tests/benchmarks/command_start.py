"""Light commands, whole process, against a Python that imports DuckDB and typer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pyarrow as pa

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.app.terminal import lepton
from tests.benchmarks.measure import Result, in_turns, seconds

REPEATS = 15


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        lake = Lake(Workspace.open(home))
        for at in range(5):
            lake.commit(f"data{at}", pa.table({"a": [1, 2, 3]}), op="import")
        imports, help_, ls = in_turns(
            REPEATS,
            lambda: _run([sys.executable, "-c", "import duckdb, typer"], home),
            lambda: _run(lepton("--help"), home),
            lambda: _run(lepton("data", "ls"), home),
        )
    return [
        Result("lepton --help / import duckdb, typer", help_ * 1e3, imports * 1e3, "ms", 1.5),
        Result("lepton data ls / import duckdb, typer", ls * 1e3, imports * 1e3, "ms", 1.5),
    ]


def _run(command: list[str], home: str) -> float:
    environment = {**os.environ, "LEPTON_HOME": home}
    return seconds(
        lambda: subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)
    )
