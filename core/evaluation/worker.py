"""An evaluation as a run: it reports progress and leaves its report among the run's artifacts."""

from __future__ import annotations

from typing import Any

import torch

from core.devices.facts import choose_threads
from core.errors import UsageError, nearest
from core.evaluation.evaluate import Interrupted, evaluate_model
from core.evaluation.saving import save
from core.runs.job import Job, Stopped
from core.runs.pace import Pace

_KEYS = {
    "model": str,
    "dataset": str,
    "split": str,
    "against": str,
    "slices": list,
    "batch_size": int,
    "device": str,
}
_WANTED = {int: "a whole number from 1 up", str: "a name", list: "a list of columns or conditions"}


def run(job: Job) -> None:
    """Judge the model that the run's spec names; started by the runs' worker process.

    Raises:
        UsageError: the spec, or names in it, are wrong.
        LeptonError: the model is damaged, or no row can be judged.
    """
    spec = _checked(job.spec)
    torch.set_num_threads(choose_threads())
    try:
        report = evaluate_model(
            job.workspace,
            spec["model"],
            spec.get("dataset"),
            spec.get("split"),
            against=spec.get("against"),
            slices=spec.get("slices") or (),
            batch_size=spec.get("batch_size"),
            on_progress=Pace(job).tell,
            device=spec.get("device") or "auto",
            should_stop=job.should_stop,
        )
    except Interrupted:
        raise Stopped from None
    artifacts = save(report, job.run.artifacts)
    for note in report.notes:
        job.emit("log", text=note)
    job.emit(
        "result",
        model=report.model,
        dataset=report.dataset,
        split=report.split,
        metrics=report.metrics,
        baseline=report.baseline,
        metric=report.metric,
        artifacts=artifacts,
    )


def _checked(spec: dict[str, Any]) -> dict[str, Any]:
    mistakes = [
        f'there is no setting "{key}". {nearest(key, _KEYS)}' for key in spec if key not in _KEYS
    ]
    given = {key: value for key, value in spec.items() if value is not None and key in _KEYS}
    for key, value in given.items():
        kind = _KEYS[key]
        wrong = not isinstance(value, kind) or isinstance(value, bool)
        if kind is list and not wrong:
            wrong = not all(isinstance(each, str) for each in value)
        if wrong or (kind is int and value < 1):
            mistakes.append(f"{key} must be {_WANTED[kind]}, not {value!r}")
    if "model" not in given:
        mistakes.append("model is missing: name the model to judge")
    if mistakes:
        raise UsageError("; ".join(mistakes))
    return given
