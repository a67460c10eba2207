"""Judging a trained model on rows it has not seen, beside an answer that looks at no input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.data.lake.lake import Lake
from core.data.lake.view import View
from core.devices.facts import resolve
from core.evaluation.against import check_alike, compared
from core.evaluation.chosen import (
    ALL,
    Array,
    check_columns,
    chosen_part,
    chosen_version,
    rows_seen,
)
from core.evaluation.judge import Judge, Judgement
from core.evaluation.measure import measured
from core.evaluation.mistakes import name_rows, suspected
from core.evaluation.report import Report
from core.evaluation.showing import show_inputs
from core.evaluation.slices import Slicing, sliced
from core.models.registry import ModelFolder, Models, task_of
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

_NAMED = 100


class Interrupted(Exception):  # noqa: N818 - a wish obeyed is no error
    """The evaluation was asked to stop."""


@dataclass(frozen=True)
class _Rows:
    """What is judged, and who hears how far it is."""

    view: View
    part: str
    device: torch.device
    batch_size: int | None
    on_progress: Callable[[int, int], None] | None
    should_stop: Callable[[], bool]
    rounds: int
    """How many models go through the rows."""


def evaluate_model(
    workspace: Workspace,
    model: str,
    dataset: str | None = None,
    split: str | None = None,
    *,
    against: str | None = None,
    slices: Sequence[str] = (),
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    device: str = "auto",
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Judge a model on a data set: the one it was trained on when none is named.

    Without `split` the test rows are used, else the validation rows, else (a data set that is not
    split) all rows. `against` is a second model that the same rows judge; `slices` are columns and
    SQL conditions whose rows are judged by themselves too. `on_progress` hears the rows done and
    the whole. Rows that cannot be read are named in the report and count for nothing.

    Raises:
        UsageError: there is no such model, data set, split or slice, columns are missing, or the
            second model answers another question.
        LeptonError: a model is damaged, or no row can be judged.
        Interrupted: `should_stop` said so.
    """
    began = time.monotonic()
    folder = Models(workspace).get(model)
    task = task_of(folder)
    lake = Lake(workspace)
    version, notes = chosen_version(lake, folder, dataset)
    check_columns(task, version, folder)
    other = Models(workspace).get(against) if against else None
    if other is not None:
        check_alike(folder, task, other, task_of(other))
        check_columns(task_of(other), version, other)
    slicing = Slicing(lake, version, slices)
    where = resolve(device)
    with lake.open(version) as view:
        part = chosen_part(view, split)
        rounds = 1 if other is None else 2
        rows = _Rows(view, part, where, batch_size, on_progress, should_stop, rounds)
        judge, told = _judged(rows, folder, 0)
        if without := judge.left_out.without_target:
            notes.append(f"{without} rows have no {task.target} and were left out")
        seen = rows_seen(lake, folder, version)
        notes += _leaks(folder, part, told, seen)
        comparison = None
        if other is not None:
            _, its = _judged(rows, other, 1)
            notes += _leaks(other, part, its, rows_seen(lake, other, version))
            comparison = {"model": other.ref, **compared(told, its)}
        found = measured(told)
        verdicts = task.verdicts(told.found, told.target)
        mistakes = verdicts.mistakes()
        doubts = suspected(told, verdicts, seen)
        named = [
            *mistakes,
            *(doubts["labels"] if doubts else ()),
            *(comparison["changed"] if comparison else ()),
        ]
        show_inputs(view, told, verdicts, named)
        name_rows(view, told.rids, named)
    unreadable = judge.left_out.unreadable
    return Report(
        model=folder.ref,
        task=task.name,
        dataset=version.ref,
        target=task.target,
        split=part,
        rows=len(told),
        metrics=found.metrics,
        baseline=found.baseline,
        metric=task.metric,
        intervals=found.intervals,
        baseline_intervals=found.baseline_intervals,
        bootstrap=found.plan.to_json(),
        calibration=found.calibration,
        slices=sliced(told, slicing.of(told.rids), found.metrics),
        mistakes=mistakes,
        suspected=doubts,
        against=comparison,
        details=task.report(told.found, told.target),
        unreadable=unreadable[:_NAMED],
        unreadable_rows=len(unreadable),
        notes=notes,
        seconds=time.monotonic() - began,
        example=task.example,
    )


def _judged(rows: _Rows, folder: ModelFolder, turn: int) -> tuple[Judge, Judgement]:
    """All rows, judged by a model; it is the turn-th that goes through them, from 0 on."""
    task = task_of(folder)
    judge = Judge.of(folder, task, rows.device, rows.batch_size)
    split = None if rows.part == ALL else rows.part
    total = rows.view.count(split)

    def told() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in task.read(rows.view, split, judge.batch_size):
            if rows.should_stop():
                raise Interrupted
            yield batch
            done = min(total, done + len(batch))
            if rows.on_progress is not None:
                rows.on_progress(total * turn + done, total * rows.rounds)

    judge.add(told())
    return judge, judge.together(rows.view.version, rows.part)


def _leaks(folder: ModelFolder, part: str, told: Judgement, seen: Array) -> list[str]:
    """A warning when rows that are judged were trained on, as after splitting anew."""
    judged = np.unique(told.rids)
    again = int(np.isin(judged, seen).sum())
    if not again:
        return []
    said = f"{again} of the {len(judged)} {part} rows were trained on"
    return [f"{said} by {folder.ref}: its scores are too good"]
