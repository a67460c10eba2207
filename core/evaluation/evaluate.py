"""Judging a model on rows it has not seen, beside an answer that looks at no input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.data.lake import Lake, Version, split_ref
from core.data.view import ROW_ID, SPLIT, View
from core.errors import LeptonError, UsageError, nearest
from core.evaluation.report import Report
from core.inference.devices import resolve
from core.inference.forward import outputs
from core.models.folder import load_module
from core.models.registry import ModelFolder, Models, task_of
from core.tasks.base import Task
from core.workspace import Workspace

BATCH = 256
ROWS_AT_ONCE = 4096
PREFERRED = ("test", "validation")


@dataclass(frozen=True)
class Judged:
    """Outputs [n, outputs], encoded targets [n] and row ids [n] of the rows with a target."""

    outputs: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    ids: np.ndarray[Any, Any]


def evaluate_model(
    workspace: Workspace,
    model: str,
    dataset: str | None = None,
    split: str | None = None,
    *,
    batch_size: int = BATCH,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda done, whole: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Judge a model on one split of a data set.

    Without `dataset` it is the version that the model was trained on, so its test rows are rows
    that training did not see. Without `split` it is test, or else validation, or else (where the
    data set has no splits) all rows. `on_progress` gets rows done and rows in all.

    Raises:
        UsageError: no such model, data set or split, or the data set lacks columns.
        LeptonError: a row cannot be read, or no row has a target.
    """
    folder = Models(workspace).get(model)
    task = task_of(folder)
    lake = Lake(workspace)
    trained = _trained_on(lake, folder)
    version = lake.version(dataset) if dataset else trained
    if version is None:
        raise UsageError(
            f"the data set that {folder.ref} was trained on is not here",
            where=str(folder.info.get("dataset")),
            hint="Name one with the same columns: lepton eval MODEL DATASET",
        )
    _require(task, version)
    notes = []
    with lake.open(version) as view:
        chosen = _chosen_split(view, split)
        if chosen is None:
            notes.append("the data set has no splits: these are all of its rows")
        judged = _judge(
            view,
            task,
            folder,
            chosen,
            batch_size=batch_size,
            device=resolve(device),
            on_progress=on_progress,
            should_stop=should_stop,
        )
    if trained is not None and trained.dataset == version.dataset:
        seen = _seen_in_training(lake, trained, judged.ids)
        if seen:
            notes.append(f"{seen} of these rows were in the model's training split")
    return Report.of(
        task=task,
        model=folder.ref,
        dataset=version.ref,
        split=chosen or "all",
        outputs=judged.outputs,
        target=judged.target,
        ids=judged.ids,
        baseline=_baseline(lake, task, trained or version, judged.target),
        notes=notes,
    )


def _trained_on(lake: Lake, folder: ModelFolder) -> Version | None:
    name, n = folder.info.get("dataset"), folder.info.get("dataset_version")
    if not name:
        return None
    try:
        return lake.version(f"{name}@{n}" if n else split_ref(name)[0])
    except UsageError:
        return None


def _require(task: Task, version: Version) -> None:
    lacking = [c for c in (*task.columns, task.target) if c not in version.column_names]
    if lacking:
        raise UsageError(
            f"the data set lacks what the model reads: {', '.join(lacking)}",
            where=version.ref,
            hint=nearest(lacking[0], version.column_names),
        )


def _chosen_split(view: View, named: str | None) -> str | None:
    splits = view.splits()
    if named is not None:
        if named not in splits:
            raise UsageError(
                f'there is no split "{named}"',
                where=view.version.ref,
                hint=nearest(named, splits) or "Make one: lepton data split DATASET",
            )
        return named
    return next((name for name in PREFERRED if name in splits), None)


def _judge(
    view: View,
    task: Task,
    folder: ModelFolder,
    split: str | None,
    *,
    batch_size: int,
    device: torch.device,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Judged:
    layout = torch.channels_last if task.shape["kind"] == "image" else torch.preserve_format
    module = load_module(folder, device).to(memory_format=layout)  # type: ignore[call-overload]
    whole, done = view.count(split), 0
    found, targets, ids = [], [], []
    for arrays in _encoded(view, task, split):
        if should_stop():
            break
        ids.append(arrays.pop(ROW_ID))
        targets.append(arrays["target"])
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        found.append(outputs(module, task, tensors, device=device, batch_size=batch_size))
        done += len(ids[-1])
        on_progress(done, whole)
    if not done:
        raise LeptonError(f"no row has a {task.target} to judge by", where=view.version.ref)
    return Judged(np.concatenate(found), np.concatenate(targets), np.concatenate(ids))


def _encoded(
    view: View, task: Task, split: str | None
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    # The path of an image is how an error names its row.
    named = [name for name in ("path",) if name in view.version.column_names]
    columns = [*dict.fromkeys((*task.columns, task.target, *named))]
    for rows in view.batches(columns, split=split, rows=ROWS_AT_ONCE):
        arrays = task.encode(rows, target=True)
        kept = arrays.pop("row")
        if len(kept):
            yield {**arrays, ROW_ID: rows.column(ROW_ID).to_numpy()[kept]}


def _seen_in_training(lake: Lake, trained: Version, ids: np.ndarray[Any, Any]) -> int:
    if SPLIT not in trained.column_names:
        return 0
    with lake.open(trained) as view:
        train = view.sql(f"SELECT {ROW_ID} FROM rows WHERE {SPLIT} = 'train'")
    return int(np.isin(ids, np.array([row[0] for row in train], np.int64)).sum())


def _baseline(
    lake: Lake, task: Task, trained: Version, target: np.ndarray[Any, Any]
) -> dict[str, float]:
    """What the commonest class or the mean of the training rows reaches on these targets."""
    if task.target not in trained.column_names:
        return task.baseline(target, target)
    with lake.open(trained) as view:
        split = "train" if view.splits().get("train") else None
        known = [
            task.encode_target(rows)["target"] for rows in view.batches([task.target], split=split)
        ]
    return task.baseline(np.concatenate(known) if known else target, target)
