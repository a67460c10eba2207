"""The evaluations of a workspace: runs of their own, each with the report it left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.data.lake.lake import Lake
from core.evaluation.report import JSON
from core.models.registry import ModelFolder, Models
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.workspace import Workspace

KIND = "evaluate"

Report = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation; `report` is None until it has finished."""

    run: RunState
    spec: dict[str, Any]
    report: Report | None

    @property
    def about(self) -> str:
        """What it judges on: the split and the data set."""
        told: Mapping[str, Any] = self.report or self.spec
        return f"{told.get('split') or 'test'}, {told.get('dataset') or 'its own data set'}"

    def judges(self, model: ModelFolder) -> bool:
        """Whether it is about this version of the model."""
        if self.report is not None:
            return bool(self.report.get("model") == model.ref)
        return self.spec.get("model") in (model.ref, str(model.path))


@dataclass(frozen=True)
class Seen:
    """The models, evaluations (newest first) and data sets at one moment."""

    models: list[ModelFolder]
    evaluations: list[Evaluation]
    datasets: list[str]


class Reports:
    """Reads the evaluations; a report is read once, for it does not change."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._read: dict[str, Report] = {}

    def look(self) -> Seen:
        """Everything as it is now (in a thread: it reads files)."""
        found = [self.of(run) for run in Runs(self._workspace).newest(KIND)]
        datasets = [version.dataset for version in Lake(self._workspace).datasets()]
        return Seen(Models(self._workspace).list(), found, datasets)

    def of(self, run: Run) -> Evaluation:
        """One evaluation as it is now."""
        state = run.state()
        if state.state == "finished" and run.id not in self._read:
            with suppress(OSError, ValueError):
                self._read[run.id] = json.loads((run.artifacts / JSON).read_text())
        return Evaluation(state, run.spec, self._read.get(run.id))

    def start(
        self,
        model: str,
        dataset: str | None,
        split: str | None,
        *,
        against: str | None = None,
        slices: Sequence[str] = (),
    ) -> Run:
        """Judge a model in a process of its own, beside another one and on slices if asked.

        Raises:
            LeptonError: no process can be started.
        """
        spec: dict[str, Any] = {"model": model, "dataset": dataset, "split": split}
        spec |= {"against": against, "slices": [*slices] or None}
        run = Runs(self._workspace).create(KIND, spec, dataset=dataset, model=model)
        run.launch()
        return run
