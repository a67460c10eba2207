"""Every row of a data set answered, in a run of its own, into a data set of its own.

The rows are answered a block at a time. A block is kept as a file as soon as it is whole, so that a
run that was stopped, or killed, goes on behind the last of them; at the end all become one version
in the lake, in one step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.atomic import write_bytes, write_json
from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID
from core.data.lake.names import valid_name
from core.data.lake.version import Version
from core.data.lake.view import View
from core.errors import LeptonError, UsageError, nearest
from core.inference.messages import Answer, Row
from core.inference.tables import require
from core.models.registry import Models, task_of
from core.runs.job import Job
from core.runs.pace import Pace
from core.tasks.base import Task
from core.workspace import Workspace

BLOCK = 8192
PLAN = "plan.json"
_PARTS = "parts"
_KEYS = ("model", "dataset", "into", "split", "device")


@dataclass(frozen=True)
class Plan:
    """What is answered by what, into what: settled before the first row, the same after a stop."""

    model: str
    dataset: str
    into: str
    split: str | None
    rows: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def settle(workspace: Workspace, spec: Mapping[str, Any]) -> Plan:
    """The plan for what was asked.

    Raises:
        UsageError: there is no such model, data set or split, the rows lack a column, the name
            cannot be one, or the rows are answered together and not one by one.
    """
    unknown = [
        f'there is no setting "{key}". {nearest(key, _KEYS)}' for key in spec if key not in _KEYS
    ]
    missing = [f"{key} is missing" for key in ("model", "dataset", "into") if not spec.get(key)]
    if unknown or missing:
        raise UsageError("; ".join([*unknown, *missing]))
    folder = Models(workspace).get(spec["model"])
    task = task_of(folder)
    split = spec.get("split")
    with Lake(workspace).open(spec["dataset"]) as view:
        version = view.version
        require(task.columns, version.column_names, version.ref)
        if task.gathers:
            raise UsageError(
                f"rows of {task.name} are answered together",
                hint=f"lepton predict {folder.ref} {version.ref} answers the whole data set.",
            )
        if split is not None:
            view.check_split(split)
        rows = view.count(split)
    return Plan(folder.ref, version.ref, valid_name(spec["into"]), split, rows)


def run(job: Job) -> None:
    """Answer the rows that the run's spec names; started by the runs' worker process.

    Raises:
        UsageError: as `settle`.
        LeptonError: the model is damaged, there are no rows, or the disk is full.
    """
    # Here: who only asks for a plan must not wait for torch.
    from core.inference.engine import Engine

    plan = _planned(job)
    lake = Lake(job.workspace)
    task = task_of(Models(job.workspace).get(plan.model))
    parts = job.run.artifacts / _PARTS
    parts.mkdir(exist_ok=True)
    engine = Engine(job.workspace, job.device or job.spec.get("device") or "auto")
    with lake.open(plan.dataset) as view:
        keep = _kept(view.version)
        done = _rows_of(parts)
        pace = Pace(job, before=done)
        for batch in _left(view, [*keep, *task.columns], plan.split, _reached(parts)):
            if job.should_stop():
                return
            answers = engine.predict(plan.model, _rows(batch, task, plan.dataset))
            _write(_answered(batch.select([ROW_ID, *keep]), answers, task), parts)
            done += len(batch)
            pace.tell(done, plan.rows)
        failed = _failed(parts)
        made = _made(lake, plan, job.run.id) or _commit(lake, plan, view.version, parts, job.run.id)
    job.emit("result", dataset=made.ref, model=plan.model, rows=made.rows, failed=failed)
    shutil.rmtree(parts)


def _planned(job: Job) -> Plan:
    """The plan of a run that is gone on with is the one that it began with."""
    path = job.run.artifacts / PLAN
    if path.exists():
        return Plan(**json.loads(path.read_text()))
    plan = settle(job.workspace, job.spec)
    write_json(path, plan.to_json())
    return plan


def _kept(version: Version) -> list[str]:
    """The columns that stand beside the answers: all but pictures and sounds, which lie in the
    data set by the same row id."""
    return [column.name for column in version.columns if column.media is None]


def _left(
    view: View, columns: list[str], split: str | None, reached: int
) -> Iterator[pa.RecordBatch]:
    """The rows behind the last one that was answered, a block at a time."""
    for batch in view.batches(columns, split=split, rows=BLOCK):
        ids = batch.column(ROW_ID).to_numpy()
        behind = batch.slice(int(np.searchsorted(ids, reached, side="right")))
        if len(behind):
            yield behind


def _files(parts: Path) -> list[Path]:
    return sorted(parts.glob("*.parquet"))


def _reached(parts: Path) -> int:
    """The id of the last row that was answered; -1: none was."""
    files = _files(parts)
    return int(pq.read_table(files[-1], columns=[ROW_ID])[ROW_ID][-1].as_py()) if files else -1


def _rows_of(parts: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in _files(parts))


def _failed(parts: Path) -> int:
    """How many rows have an error: it is the last column."""
    found = 0
    for file in _files(parts):
        faults = pq.read_table(file, columns=[pq.read_schema(file).names[-1]]).column(0)
        found += len(faults) - faults.null_count
    return found


def _rows(batch: pa.RecordBatch, task: Task, dataset: str) -> list[Row]:
    ids = batch.column(ROW_ID).to_pylist()
    values = batch.select(list(task.columns)).to_pylist()
    return [Row(f"{dataset}#{at}", row) for at, row in zip(ids, values, strict=True)]


def _answered(rows: pa.RecordBatch, answers: list[Answer], task: Task) -> pa.Table:
    """The rows with `prediction`, `score` where it tells one, and `error` beside them."""
    told = {
        "number": lambda output: output,
        "label": lambda output: output["label"],
        "text": lambda output: output["text"],
    }.get(task.gives, json.dumps)
    kind = pa.float64() if task.gives == "number" else pa.string()
    given = [None if each.error else told(each.output) for each in answers]
    columns: dict[str, pa.Array] = {"prediction": pa.array(given, kind)}
    if task.gives == "label":
        scores = [None if each.error else float(each.score) for each in answers]
        columns["score"] = pa.array(scores, pa.float64())
    faults = [each.error.what if each.error else None for each in answers]
    names = rows.schema.names
    table = pa.Table.from_batches([rows])
    # First, where a person sees them in a narrow terminal; what went wrong comes last.
    for at, (name, values) in enumerate(columns.items(), start=1):
        table = table.add_column(at, _free(name, names), values)
    return table.append_column(_free("error", names), pa.array(faults, pa.string()))


def _free(name: str, taken: list[str]) -> str:
    """The name, with a number behind it where the data set has a column of that name."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _write(table: pa.Table, parts: Path) -> None:
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    write_bytes(parts / f"{len(_files(parts)):06}.parquet", out.getvalue().to_pybytes())


def _made(lake: Lake, plan: Plan, run_id: str) -> Version | None:
    """The version of this run, where it was ended between making it and saying so."""
    known = lake.versions(plan.into) if plan.into in {v.dataset for v in lake.datasets()} else ()
    return next((each for each in known if each.params.get("run") == run_id), None)


def _commit(lake: Lake, plan: Plan, version: Version, parts: Path, run_id: str) -> Version:
    files = _files(parts)
    if not files:
        raise LeptonError("there are no rows to answer", where=plan.dataset)
    schema = pq.read_schema(files[0])
    batches = (batch for file in files for batch in pq.read_table(file, schema=schema).to_batches())
    return lake.commit(
        plan.into,
        pa.RecordBatchReader.from_batches(schema, batches),
        op="predict",
        params={"model": plan.model, "run": run_id} | ({"split": plan.split} if plan.split else {}),
        parents=[version.ref],
        in_order=True,
    )
