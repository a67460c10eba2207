"""Suspicious labels: what a trained model says of rows that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View
from core.data.quality.confident import suspicious
from core.data.quality.finding import Finding, drop_named, named
from core.devices.facts import resolve
from core.errors import Cancelled, UsageError
from core.evaluation.chosen import check_columns, rows_seen, trained_on
from core.evaluation.judge import Judge
from core.models.registry import ModelFolder, Models, task_of
from core.tasks.classification import Classification, softmax
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 3

Array = np.ndarray[Any, Any]


def suspicious_labels(
    workspace: Workspace,
    version: Version,
    model: str,
    *,
    device: str = "auto",
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Finding], list[str]]:
    """The rows of a version whose label a model doubts, and what a person should know of it.

    Rows that the model was trained on say nothing, for it may have learned their labels by heart:
    they are left out where that is known. Where they were all there is, they are judged all the
    same, and the note says so.

    Raises:
        UsageError: there is no such model, it tells no classes, or it reads other columns.
        LeptonError: the model is damaged, or no row can be judged.
        Cancelled: `should_stop` said so.
    """
    lake = Lake(workspace)
    folder = Models(workspace).get(model)
    task = task_of(folder)
    if not (isinstance(task, Classification) and task.tells_classes):
        raise UsageError(
            f"{folder.ref} tells no classes, it is for {task.name}",
            hint="Labels are doubted by a model for classification.",
        )
    check_columns(task, version, folder)
    judge = Judge.of(folder, task, resolve(device))
    seen, notes = _seen(lake, folder, version)

    def unseen(view: View) -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in task.read(view, None, judge.batch_size):
            if should_stop():
                raise Cancelled("the check was cancelled")
            done += len(batch)
            kept = np.flatnonzero(~np.isin(batch.column(ROW_ID).to_numpy(), seen))
            if len(kept):
                yield batch.take(kept)
            if on_progress is not None:
                on_progress(done, version.rows)

    with lake.open(version) as view:
        judge.add(unseen(view))
    told = judge.together(version, "labelled")
    target = told.target
    doubts = suspicious(target, softmax(told.found))
    if not len(doubts.rows):
        return [], notes
    rids = told.rids[doubts.rows].tolist()
    said = [
        f'row {rid} is "{task.labels[target[row]]}" and seems "{task.labels[meant]}"'
        for rid, row, meant in zip(rids[:SHOWN], doubts.rows, doubts.meant, strict=False)
    ]
    of = f"{len(rids):,} of {len(target):,} labels that {folder.ref} can judge seem wrong"
    finding = Finding(
        "warning",
        "suspicious-label",
        task.target,
        what=f"{of}: {'; '.join(said)}",
        hint="Look at them, the most doubtful first, and correct or drop those that are wrong.",
        mend=drop_named(rids),
        **named(rids),
    )
    return [finding], notes


def _seen(lake: Lake, folder: ModelFolder, version: Version) -> tuple[Array, list[str]]:
    """The ids of rows that the model was trained on, int64; and a note on what is left."""
    none = np.empty(0, np.int64)
    trained = trained_on(lake, folder)
    if trained is None:
        return none, [f"it is not known which rows {folder.ref} was trained on: all are judged"]
    if not trained.has_rows_of(version):
        return none, []
    if "split" not in trained.column_names:
        return none, [_all(folder)]
    seen = rows_seen(lake, folder, version)
    with lake.open(version) as view:
        ids = np.array([row for (row,) in view.sql(f"SELECT {ROW_ID} FROM rows")], np.int64)
    left = int((~np.isin(ids, seen)).sum())
    if not left:
        return none, [_all(folder)]
    if left < len(ids):
        return seen, [
            f"{folder.ref} was trained on {len(ids) - left:,} of the {len(ids):,} rows, which are"
            f" not judged; models of other folds judge those: lepton data split"
            f" {version.dataset} --folds 5"
        ]
    return seen, []


def _all(folder: ModelFolder) -> str:
    return (
        f"{folder.ref} was trained on all of these rows, so it knows their labels: what it doubts"
        " is worth a look, what it does not doubt is not proved"
    )
