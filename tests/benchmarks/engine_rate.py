"""The engine in process against the bare model, at its best over batch sizes and threads.

Both sides turn the same rows into answers with the task's own code. What is measured is what the
engine adds: its line, its thread, its choice of a batch.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from core.data.lake.lake import Lake
from core.inference.calibration import Calibration
from core.inference.engine import Engine
from core.inference.examples import as_tensors
from core.inference.forward import solved
from core.inference.messages import Row
from core.models.folder import load_module
from core.models.registry import Models
from core.tasks import Task
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds
from tests.inference.conftest import learn, png, publish

ROWS = 512
ASKERS = 32
TRIES = 5
CPU = torch.device("cpu")


def measure() -> list[Result]:
    found: list[Result] = []
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.open(home)
        for name, table, options in (
            ("small CNN", pictures(), {}),
            ("wide MLP", numbers(), {"width": 2048, "layers": 2}),
        ):
            found += _one(workspace, name, table, options)
    return found


def pictures() -> pa.Table:
    return pa.table(
        {
            "image": [png(at % 64, 28) for at in range(ROWS)],
            "label": [str(at % 10) for at in range(ROWS)],
        }
    )


def numbers() -> pa.Table:
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {f"n{at}": draw.normal(size=ROWS) for at in range(64)}
    return pa.table({**columns, "label": [str(at % 10) for at in range(ROWS)]})


def _one(workspace: Workspace, name: str, table: pa.Table, options: dict[str, int]) -> list[Result]:
    dataset = name.replace(" ", "-").lower()
    media = {"image": "image"} if "image" in table.column_names else {}
    Lake(workspace).commit(dataset, table, op="import", target="label", media=media)
    task = learn(workspace, dataset)
    publish(workspace, task, dataset, **options)
    module = load_module(Models(workspace).get(dataset))
    if task.reads == "image":
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rows = table.drop_columns("label").to_pylist()
    asked = [Row("", row) for row in rows]
    engine, chosen = _calibrated(workspace, dataset, asked[:256])
    told = f"{chosen.rows} rows, {chosen.threads(chosen.rows)} threads"
    print(f"  {name}: {told}{'' if chosen.lasting else ', on a busy machine'}", file=sys.stderr)

    sides: list[Callable[[], float]] = [
        partial(_steady, partial(engine.predict, dataset, asked)),
        partial(_steady, partial(_by_32, engine, dataset, asked)),
    ]
    bare = [
        partial(_steady, partial(_bare, module, task, rows, batch, threads))
        for threads in sorted({1, os.cpu_count() or 1})
        for batch in (1, 8, 32, 128, 512)
    ]
    ours, together, *theirs = in_turns(5, *sides, *bare)
    return [
        Result(f"{name}: engine / bare model at its best", ours, min(theirs), "s", 1 / 0.9),
        Result(f"{name}: {ASKERS} at once / one by one", together, theirs[0], "s", 1.0),
    ]


def _calibrated(workspace: Workspace, model: str, rows: list[Row]) -> tuple[Engine, Calibration]:
    """An engine that has measured what suits the model; anew, as it would be in time, where others
    were in the way."""
    for _ in range(TRIES):
        engine = Engine(workspace, "cpu")
        for _ in range(2):  # what it measures after the first time is done before the second
            engine.predict(model, rows)
        (loaded,) = engine.loaded()
        found = loaded.calibration
        assert found is not None
        if found.lasting:
            break
    return engine, found


def _steady(work: Callable[[], object]) -> float:
    """Seconds of the second of two calls: its threads are awake, and what it reads is at hand."""
    work()
    return seconds(work)


def _bare(
    module: nn.Module, task: Task, rows: list[dict[str, Any]], batch: int, threads: int
) -> None:
    torch.set_num_threads(threads)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        examples = as_tensors(task.encode(part, target=False))
        task.answers(solved(module, task, examples, device=CPU, batch_size=batch))


def _by_32(engine: Engine, model: str, rows: list[Row]) -> None:
    """As many people as `ASKERS` ask for a row each, again and again."""
    with ThreadPoolExecutor(ASKERS) as pool:
        for _ in pool.map(lambda row: engine.predict(model, [row]), rows):
            pass
