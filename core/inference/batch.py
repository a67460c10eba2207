"""Every row of a data set answered, in a run of its own, into a data set of its own or a file.

The answers are kept a part at a time, so that a run that was stopped, or killed, goes on behind the
last part; at the end all become one version in the lake, or the file, in one step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from core.atomic import write_json
from core.data.exporting.place import check_place
from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID
from core.data.lake.names import valid_name
from core.data.lake.version import Version
from core.errors import UsageError, nearest
from core.inference.answer_rows import together
from core.inference.filing import FIRST, kind_of, write_answers
from core.inference.parts import Done, Part, Parts
from core.inference.questions import Asked, Questions
from core.models.registry import Models, task_of
from core.runs.job import Job
from core.runs.pace import Pace
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.inference.loaded import Loaded

PLAN = "plan.json"
WORTH_MEASURING = 1000
"""Rows from which on it pays to find out how the model answers quickest here."""
_PARTS, _OUTCOME = "parts", "outcome.json"
_KEYS = ("model", "dataset", "into", "out", "force", "split", "device", "runtime")


@dataclass(frozen=True)
class Plan:
    """What is answered by what, into what: settled before the first row, the same after a stop."""

    model: str
    dataset: str
    into: str | None
    """The data set that is made; None: a file is, `out`."""
    out: str | None
    split: str | None
    rows: int
    """Rows to answer; of a forecast, series."""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def settle(workspace: Workspace, spec: Mapping[str, Any]) -> Plan:
    """The plan for what was asked.

    Raises:
        UsageError: there is no such model, data set or split, the rows lack a column, there are
            none, the name cannot be one, or the file cannot be, or is there already.
    """
    unknown = [
        f'there is no setting "{key}". {nearest(key, _KEYS)}' for key in spec if key not in _KEYS
    ]
    into, out, split = (spec.get(key) for key in ("into", "out", "split"))
    missing = [f"{key} is missing" for key in ("model", "dataset") if not spec.get(key)]
    if not into and not out:
        missing.append(f"{'into' if out is None else 'out'} is missing")
    if unknown or missing:
        raise UsageError("; ".join([*unknown, *missing]))
    if into and out:
        raise UsageError("into a data set or out to a file, not both")
    if into:
        valid_name(into)
    if out:
        kind_of(Path(out))
        check_place(Path(out), replace=bool(spec.get("force")))
    folder = Models(workspace).get(spec["model"])
    with Lake(workspace).open(spec["dataset"]) as view:
        rows = Questions(view, task_of(folder), split).count
        return Plan(folder.ref, view.version.ref, into or None, out, split, rows)


def run(job: Job) -> None:
    """Answer the rows that the run's spec names; started by the runs' worker process.

    Raises:
        UsageError: as `settle`.
        LeptonError: the model is damaged, or the disk is full.
    """
    plan = _planned(job)
    folder = job.run.artifacts / _PARTS
    outcome = job.run.artifacts / _OUTCOME
    # Once that is written there is nothing left to do, in whatever state the parts are.
    if not outcome.exists():
        parts = Parts(folder)
        done = _answer(job, plan, parts)
        if done is None:
            return
        if plan.out:
            made = {"file": plan.out, "rows": write_answers(parts.batches(), Path(plan.out))}
        else:
            version = _made(job, plan) or _commit(job, plan, parts)
            made = {"dataset": version.ref, "rows": version.rows}
        counts = {"asked": done.asked, "failed": done.failed}
        faults = _faults(job, plan, parts) if done.failed else []
        write_json(outcome, {**made, "model": plan.model, **counts, "faults": faults})
    shutil.rmtree(folder, ignore_errors=True)
    # The last word: who has told a result is finished, and is not gone on with.
    job.emit("result", **json.loads(outcome.read_text()))


def _faults(job: Job, plan: Plan, parts: Parts) -> list[dict[str, Any]]:
    """The first rows without an answer, by their ids, and why each has none; of a series, what
    names it."""
    names = task_of(Models(job.workspace).get(plan.model)).keys
    found: list[dict[str, Any]] = []
    for batch in parts.batches():
        errors = batch.column(batch.num_columns - 1)
        failed = batch.filter(pc.is_valid(errors)).slice(0, FIRST - len(found))
        for row in failed.to_pylist():
            series = ", ".join(f"{name} {row[name]}" for name in names)
            fault = row[batch.schema.names[-1]]
            found.append({"row": row.get(ROW_ID, series), "error": fault})
        if len(found) == FIRST:
            break
    return found


def _planned(job: Job) -> Plan:
    """The plan of a run that is gone on with is the one that it began with."""
    path = job.run.artifacts / PLAN
    if path.exists():
        return Plan(**json.loads(path.read_text()))
    plan = settle(job.workspace, job.spec)
    write_json(path, plan.to_json())
    return plan


def _answer(job: Job, plan: Plan, parts: Parts) -> Done | None:
    """Answer what no part has yet; None: somebody asked for the run to stop before it was done."""
    done = parts.done()
    if done.asked == plan.rows:
        return done
    # Here: who only asks for a plan must not wait for torch.
    from core.inference.bulk import answered, rows_at_once
    from core.inference.engine import Engine

    device, runtime = job.device or job.spec.get("device"), job.spec.get("runtime")
    engine = Engine(job.workspace, device or "auto", runtime=runtime or "torch")
    pace = Pace(job, before=done.asked)
    with Lake(job.workspace).open(plan.dataset) as view, engine.use(plan.model) as loaded:
        questions = Questions(view, loaded.task, plan.split)
        if plan.rows >= WORTH_MEASURING:
            _calibrate(loaded, questions)
        part = Part(parts, done, plan.rows)
        for asked in questions.after(done.reached, rows_at_once(loaded)):
            told, faults = answered(loaded, asked.rows)
            table = together(loaded.task, told, asked.beside, faults)
            part.add(table, len(asked.rows), len(faults) - faults.null_count, asked.last)
            pace.tell(part.done.asked, plan.rows)
            if job.should_stop():
                part.settle()
                break
    return part.done if part.done.asked == plan.rows else None


def _calibrate(loaded: Loaded, questions: Questions) -> None:
    """Find out with the first row how many rows at once are quickest, if nobody has yet."""
    if loaded.calibration is None:
        first: Asked = next(questions.after(None, 1))
        rows = first.rows
        loaded.answer(rows.slice(0, 1).to_pylist() if isinstance(rows, pa.RecordBatch) else rows)
        loaded.calibrate()


def _made(job: Job, plan: Plan) -> Version | None:
    """The version of this run, where it was ended between making it and noting that."""
    lake, name = Lake(job.workspace), plan.into or ""
    known = lake.versions(name) if name in {v.dataset for v in lake.datasets()} else ()
    return next((each for each in known if each.params.get("run") == job.run.id), None)


def _commit(job: Job, plan: Plan, parts: Parts) -> Version:
    split = {"split": plan.split} if plan.split else {}
    return Lake(job.workspace).commit(
        plan.into or "",
        pa.RecordBatchReader.from_batches(parts.schema(), parts.batches()),
        op="predict",
        params={"model": plan.model, "run": job.run.id} | split,
        parents=[plan.dataset],
        in_order=True,
    )
