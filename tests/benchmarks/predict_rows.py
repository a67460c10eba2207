"""A data set answered into another, and the same by hand: DuckDB, the bare model, Parquet.

By hand the rows are read, encoded by the task's own code, given to the model in large batches, and
written with label, score and probabilities. What is measured is what a batch adds to that: parts
that outlive a kill, a version in the lake, a row that fails alone. The time on the processor is
told beside the clock's, which others on the machine move.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import torch

from core.data.lake.lake import Lake
from core.inference import batch
from core.inference.engine import Engine
from core.inference.examples import as_tensors
from core.models.folder import load_module
from core.models.registry import Models, task_of
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.store import Runs
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns
from tests.inference.conftest import learn, publish

ROWS = int(os.environ.get("LEPTON_BENCH_ROWS", "1_000_000"))
TRAINED, NUMBERS, CLASSES, AT_ONCE = 20_000, 12, 3, 8192
REPEATS = 3


def measure() -> list[Result]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.open(home)
        _make(workspace)
        # How many rows at once is found out once for a model, not in each run.
        Engine(workspace, "cpu").predict("rows", [dict.fromkeys(_columns(), 0)])
        times = in_turns(
            REPEATS,
            *(
                lambda clock=clock, side=side: _timed(clock, lambda: side(workspace))
                for clock in (time.perf_counter, time.process_time)
                for side in (_ours, _by_hand)
            ),
        )
    ours, theirs, ours_cpu, theirs_cpu = times
    return [
        Result(f"{ROWS:,} rows answered / by hand", ours, theirs, "s", 1.3),
        Result("the same, time on the processor", ours_cpu, theirs_cpu, "s", 1.3),
    ]


def _timed(clock: Callable[[], float], work: Callable[[], object]) -> float:
    began = clock()
    work()
    return clock() - began


def _columns() -> list[str]:
    return [*(f"n{at}" for at in range(NUMBERS)), "colour"]


def _make(workspace: Workspace) -> None:
    """Rows of numbers and a category, and a model of some of them."""
    draw = np.random.default_rng(0)
    columns = {f"n{at}": draw.normal(size=ROWS) for at in range(NUMBERS)}
    colours = np.array(["red", "green", "blue", "white"])[draw.integers(0, 4, ROWS)]
    kinds = np.array([f"kind {at}" for at in range(CLASSES)])[draw.integers(0, CLASSES, ROWS)]
    table = pa.table({**columns, "colour": colours, "kind": kinds})
    Lake(workspace).commit("rows", table, op="import", target="kind")
    Lake(workspace).commit("few", table.slice(0, TRAINED), op="import", target="kind")
    publish(workspace, learn(workspace, "few"), "rows")


def _ours(workspace: Workspace) -> None:
    spec = {"model": "rows", "dataset": "rows", "into": "said", "device": "cpu"}
    made = Runs(workspace).create("predict", spec)
    with EventWriter(made.events_path) as events:
        batch.run(Job(made, events))


def _by_hand(workspace: Workspace) -> None:
    folder = Models(workspace).get("rows")
    task, module = task_of(folder), load_module(folder, torch.device("cpu")).eval()
    (file,) = Lake(workspace).version("rows").files
    parts: list[pa.Table] = []
    with duckdb.connect() as connection, torch.inference_mode():
        read = connection.sql(f"SELECT * FROM '{workspace.data / file.name}'")
        for rows in read.to_arrow_reader(AT_ONCE):
            examples = as_tensors(task.encode(rows, target=False))
            found = module(*task.inputs(examples)).softmax(1).numpy()  # type: ignore[arg-type]
            table = pa.Table.from_batches([rows])
            best = found.argmax(1)
            labels = pa.array(getattr(task, "labels", ())).take(pa.array(best))
            table = table.append_column("prediction", labels)
            table = table.append_column("score", pa.array(found.max(1).astype(np.float64)))
            for at, label in enumerate(getattr(task, "labels", ())):
                scores = pa.array(np.ascontiguousarray(found[:, at], np.float64))
                table = table.append_column(f"score of {label}", scores)
            parts.append(table)
        made = pa.concat_tables(parts)
        path = Path(workspace.tmp) / "by-hand.parquet"
        connection.register("made", made)
        connection.execute(
            f"COPY made TO '{path}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"
        )
    path.unlink()
