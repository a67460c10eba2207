"""An evaluation as a run: it writes its report into the run's artifacts."""

from __future__ import annotations

from core.evaluation.evaluate import BATCH, evaluate_model
from core.evaluation.report import JSON_NAME, MARKDOWN_NAME
from core.runs.job import Job


def run(job: Job) -> None:
    """Do an evaluation run's work.

    Raises:
        UsageError, LeptonError: as `evaluate_model`.
    """
    spec = job.spec
    report = evaluate_model(
        job.workspace,
        spec["model"],
        spec.get("dataset"),
        spec.get("split"),
        batch_size=int(spec.get("batch_size") or BATCH),
        device=spec.get("device") or "auto",
        on_progress=lambda done, whole: job.emit("step", step=done, steps=whole),
        should_stop=job.should_stop,
    )
    if job.should_stop():
        return
    report.write(job.run.artifacts)
    job.emit(
        "result",
        model=report.model,
        dataset=report.dataset,
        split=report.split,
        metrics=report.metrics,
        baseline=report.baseline,
        artifacts=[JSON_NAME, MARKDOWN_NAME],
    )
