"""Judging a trained model on rows it has not seen, beside an answer that looks at no input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View
from core.errors import LeptonError, UsageError, nearest
from core.evaluation.report import Report, Unreadable
from core.inference.devices import resolve
from core.inference.forward import outputs
from core.models.folder import load_module
from core.models.registry import ModelFolder, Models, task_of
from core.tasks.base import Task
from core.tasks.rows import PATH, with_place
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
    if task.shape["kind"] == "image":
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with lake.open(version) as view:
        part = _part(view, split)
        judge = Judge(task, module, where, batch_size or BATCH)
        total = view.count(None if part == ALL else part)
        done = 0
        for batch in batches(view, task, None if part == ALL else part, judge.batch_size):
            if should_stop():
                raise Interrupted
            judge.add(batch)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, total)
    found, target = judge.together(version, part)
    if judge.skipped:
        notes.append(f"{judge.skipped} rows have no {task.target} and were left out")
    notes += _leaks(lake, folder, version, part, set(judge.rids))
    details = task.report(found, target)
    for mistake in details.get("mistakes", []):
        at = mistake.pop("row")
        mistake[ROW_ID] = judge.rids[at]
        if judge.paths:
            mistake[PATH] = judge.paths[at]
    return Report(
        model=folder.ref,
        task=task.name,
        dataset=version.ref,
        target=task.target,
        split=part,
        rows=len(target),
        metrics=_metrics(task, found, target),
        baseline=_baseline(lake, folder, task, target, version),
        details=details,
        unreadable=judge.unreadable[:_NAMED],
        unreadable_rows=len(judge.unreadable),
        notes=notes,
        seconds=time.monotonic() - began,
    )


class Judge:
    """Gathers outputs and targets batch by batch; a row that cannot be read is set aside."""

    def __init__(
        self, task: Task, module: nn.Module, device: torch.device, batch_size: int
    ) -> None:
        self.task = task
        self.module = module
        self.device = device
        self.batch_size = batch_size
        self.rids: list[int] = []
        self.paths: list[str] = []
        self.unreadable: list[Unreadable] = []
        self.skipped = 0
        self._outputs: list[Array] = []
        self._targets: list[Array] = []

    def add(self, rows: pa.RecordBatch) -> None:
        for readable, arrays in self._encoded(rows):
            at = arrays.pop("row")
            self.skipped += len(readable) - len(at)
            if not len(at):
                continue
            self.rids += readable.column(ROW_ID).to_numpy()[at].tolist()
            if PATH in readable.schema.names:
                paths = readable.column(PATH).to_pylist()
                self.paths += [str(paths[each]) for each in at]
            self._targets.append(arrays.pop("target"))
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            self._outputs.append(
                outputs(
                    self.module,
                    self.task,
                    tensors,
                    device=self.device,
                    batch_size=self.batch_size,
                )
            )

    def _encoded(self, rows: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, dict[str, Array]]]:
        """The batch encoded; where a row of it cannot be, in halves, down to that row."""
        try:
            yield rows, self.task.encode(rows, target=True)
        except UsageError:
            raise
        except LeptonError as error:
            if len(rows) == 1:
                rid = int(rows.column(ROW_ID)[0].as_py())
                self.unreadable.append(Unreadable(rid, error.what, error.where))
                return
            half = len(rows) // 2
            yield from self._encoded(rows.slice(0, half))
            yield from self._encoded(rows.slice(half))

    def together(self, version: Version, part: str) -> tuple[Array, Array]:
        """All outputs, float32 [n, outputs], and encoded targets [n].

        Raises:
            LeptonError: no row could be judged, or the model answers with what is no number.
        """
        if not self._outputs:
            first = f"; the first: {self.unreadable[0].why}" if self.unreadable else ""
            raise LeptonError(
                f"no {part} row can be judged: {self.skipped} have no {self.task.target},"
                f" {len(self.unreadable)} cannot be read{first}",
                where=version.ref,
            )
        found = np.concatenate(self._outputs)
        if not np.isfinite(found).all():
            raise LeptonError(
                "the model's output is not a number", hint="Train it again with a smaller lr."
            )
        return found, np.concatenate(self._targets)


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


def batches(view: View, task: Task, split: str | None, rows: int) -> Iterator[pa.RecordBatch]:
    columns = with_place((*task.columns, task.target), view)
    return view.batches(columns, split=split, rows=rows)


def _metrics(task: Task, found: Array, target: Array) -> dict[str, float]:
    loss = task.loss(torch.from_numpy(found), {"target": torch.from_numpy(target)})
    return {**task.scores(found, target), "loss": float(loss)}


def _baseline(
    lake: Lake, folder: ModelFolder, task: Task, target: Array, version: Version
) -> dict[str, float]:
    """Scores of an answer learnt from training targets alone; empty when there are none here."""
    for source in (trained_on(lake, folder), version):
        if source is None or not {"split", task.target} <= set(source.column_names):
            continue
        with lake.open(source) as view:
            known = [
                task.encode_target(batch)["target"]
                for batch in view.batches([task.target], split="train")
            ]
        if known:
            return task.baseline(np.concatenate(known), target)
    return {}


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
