"""Judging a trained model on rows it has not seen, beside an answer that looks at no input."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View
from core.devices.facts import resolve
from core.errors import LeptonError, UsageError, nearest
from core.evaluation.report import Report
from core.inference.examples import as_tensors
from core.inference.forward import Judged, joined, judged, naive
from core.models.folder import load_module
from core.models.registry import ModelFolder, Models, task_of
from core.tasks.base import Task
from core.tasks.ragged import Ragged
from core.tasks.reading import LeftOut
from core.tasks.rows import PATH
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

ALL = "all"
BATCH = 256
_NAMED = 100

Array = np.ndarray[Any, Any]


class Interrupted(Exception):  # noqa: N818 - a wish obeyed is no error
    """The evaluation was asked to stop."""


def evaluate_model(
    workspace: Workspace,
    model: str,
    dataset: str | None = None,
    split: str | None = None,
    *,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    device: str = "auto",
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Judge a model on a data set: the one it was trained on when none is named.

    Without `split` the test rows are used, else the validation rows, else (a data set that is not
    split) all rows. `on_progress` hears the rows done and the whole. Rows that cannot be read are
    named in the report and count for nothing.

    Raises:
        UsageError: there is no such model, data set or split, or columns are missing.
        LeptonError: the model is damaged, or no row can be judged.
        Interrupted: `should_stop` said so.
    """
    began = time.monotonic()
    folder = Models(workspace).get(model)
    task = task_of(folder)
    lake = Lake(workspace)
    version, notes = _version(lake, folder, dataset)
    check_columns(task, version, folder)
    where = resolve(device)
    module = load_module(folder, where)
    if task.reads == "image":
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with lake.open(version) as view:
        part = _part(view, split)
        judge = Judge(task, module, where, batch_size or min(BATCH, task.at_once))
        rows = None if part == ALL else part
        total = view.count(rows)

        def told() -> Iterator[pa.RecordBatch]:
            done = 0
            for batch in task.read(view, rows, judge.batch_size):
                if should_stop():
                    raise Interrupted
                yield batch
                done = min(total, done + len(batch))
                if on_progress is not None:
                    on_progress(done, total)

        judge.add(told())
        found, target = judge.together(version, part)
        details = task.report(found, target)
        _name_rows(view, judge, details.get("mistakes", []))
    if judge.left_out.without_target:
        count = judge.left_out.without_target
        notes.append(f"{count} rows have no {task.target} and were left out")
    notes += _leaks(lake, folder, version, part, set(judge.rids))
    unreadable = judge.left_out.unreadable
    return Report(
        model=folder.ref,
        task=task.name,
        dataset=version.ref,
        target=task.target,
        split=part,
        rows=len(target),
        metrics={**task.scores(found, target), "loss": judge.loss},
        baseline=judge.baseline(target),
        metric=task.metric,
        details=details,
        unreadable=unreadable[:_NAMED],
        unreadable_rows=len(unreadable),
        notes=notes,
        seconds=time.monotonic() - began,
        example=task.example,
    )


class Judge:
    """Gathers what model and baseline make of examples; a row that cannot be read is set aside."""

    def __init__(
        self, task: Task, module: nn.Module, device: torch.device, batch_size: int
    ) -> None:
        self.task = task
        self.module = module
        self.device = device
        self.batch_size = batch_size
        self.rids: list[int] = []
        self.left_out = LeftOut()
        self._told: list[Judged] = []
        self._naive: list[Judged] = []
        self._targets: list[Any] = []

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Judge the examples that the task makes of these rows."""
        for arrays in self.task.examples(batches, self.left_out):
            self.rids += np.asarray(arrays[ROW_ID]).tolist()
            self._targets.append(arrays["target"])
            examples = as_tensors(arrays)
            size = self.batch_size
            self._told.append(
                judged(self.module, self.task, examples, device=self.device, batch_size=size)
            )
            self._naive.append(naive(self.task, examples, batch_size=size))

    def together(self, version: Version, part: str) -> tuple[Array, Any]:
        """All that was kept, float32 [n, …], and the targets of all.

        Raises:
            LeptonError: no row could be judged, or the model answers with what is no number.
        """
        if not self._told:
            bad = self.left_out.unreadable
            first = f"; the first: {bad[0].why}" if bad else ""
            raise LeptonError(
                f"no {part} row can be judged: {self.left_out.without_target} have no"
                f" {self.task.target}, {len(bad)} cannot be read{first}",
                where=version.ref,
            )
        found = joined([each.found for each in self._told])
        if not np.isfinite(found).all():
            raise LeptonError(
                "the model's output is not a number", hint="Train it again with a smaller lr."
            )
        return found, _all(self._targets)

    @property
    def loss(self) -> float:
        return _mean_loss(self._told)

    def baseline(self, target: Any) -> dict[str, float]:
        """The scores and the loss of the task's baseline."""
        found = joined([each.found for each in self._naive])
        return {**self.task.scores(found, target), "loss": _mean_loss(self._naive)}


def _mean_loss(told: list[Judged]) -> float:
    known = [each for each in told if not math.isnan(each.loss)]
    rows = sum(len(each.found) for each in known)
    return sum(each.loss * len(each.found) for each in known) / rows if rows else math.nan


def _all(targets: list[Any]) -> Any:
    return Ragged.joined(targets) if isinstance(targets[0], Ragged) else np.concatenate(targets)


def _name_rows(view: View, judge: Judge, mistakes: list[dict[str, Any]]) -> None:
    """The row of each mistake by its id, and by its path where rows have one."""
    for mistake in mistakes:
        mistake[ROW_ID] = judge.rids[mistake.pop("row")]
    if PATH in view.version.column_names:
        found = view.rows([mistake[ROW_ID] for mistake in mistakes], [PATH])
        paths = {row[ROW_ID]: row[PATH] for row in found}
        for mistake in mistakes:
            mistake[PATH] = str(paths[mistake[ROW_ID]])


def _version(lake: Lake, folder: ModelFolder, dataset: str | None) -> tuple[Version, list[str]]:
    """The version to judge on, and what a person should know about the choice.

    Training splits a data set that came without a split, as a version of its own. Who names the
    data set as it was before means the rows that training did not see.

    Raises:
        UsageError: there is no such data set, or none is named and the model's own is gone.
    """
    trained = trained_on(lake, folder)
    if dataset is None:
        if trained is None:
            raise UsageError(
                "the data set that the model was trained on is not here",
                where=str(folder.info.get("dataset") or folder.ref),
                hint=f"Name one: lepton eval {folder.ref} DATASET",
            )
        return trained, []
    version = lake.version(dataset)
    if "split" not in version.column_names and trained and version.ref in trained.parents:
        return trained, [f"{version.ref} is not split: judged on {trained.ref}, its split rows"]
    return version, []


def trained_on(lake: Lake, folder: ModelFolder) -> Version | None:
    try:
        return lake.version(f"{folder.info['dataset']}@{folder.info['dataset_version']}")
    except (KeyError, UsageError):
        return None


def check_columns(task: Task, version: Version, folder: ModelFolder) -> None:
    missing = [
        name
        for name in dict.fromkeys((*task.columns, task.target))
        if name not in version.column_names
    ]
    if missing:
        one = len(missing) == 1
        named = ", ".join(f'"{name}"' for name in missing)
        raise UsageError(
            f"{folder.ref} reads the column{'' if one else 's'} {named},"
            f" which {version.ref} does not have",
            hint=f"It has: {', '.join(version.column_names)}.",
        )


def _part(view: View, split: str | None) -> str:
    """The split to judge on.

    Raises:
        UsageError: the data set has no such split, or only rows for training.
    """
    splits = view.splits()
    if split is not None:
        if split not in splits and split != ALL:
            raise UsageError(
                f'{view.version.ref} has no split "{split}"', hint=nearest(split, [*splits, ALL])
            )
        return split
    if not splits:
        return ALL
    for part in ("test", "validation"):
        if part in splits:
            return part
    raise UsageError(
        f"{view.version.ref} has no test or validation rows",
        hint="Name a split with --split, or split the data set: lepton data split.",
    )


def _leaks(
    lake: Lake, folder: ModelFolder, version: Version, part: str, judged: set[int]
) -> list[str]:
    """A warning when rows that are judged were trained on, as after splitting anew."""
    trained = trained_on(lake, folder)
    if trained is None or not trained.has_rows_of(version) or "split" not in trained.column_names:
        return []
    with lake.open(trained) as view:
        seen = sum(
            rid in judged
            for batch in view.batches([], split="train")
            for rid in batch.column(ROW_ID).to_pylist()
        )
    if not seen:
        return []
    return [f"{seen} of the {len(judged)} {part} rows were trained on: the scores are too good"]
