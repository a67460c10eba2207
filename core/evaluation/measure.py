"""The metrics of model and baseline, and how far chance reaches in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.bootstrap import Interval, Plan, drawn, intervals
from core.evaluation.calibration import ERROR, expected_error, reliability
from core.evaluation.judge import Judgement
from core.tasks.base import Task
from core.tasks.scoring import Scorer

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measured:
    """What model and baseline reach, by metric; an interval is None where none can be told."""

    metrics: dict[str, float]
    baseline: dict[str, float]
    intervals: dict[str, Interval]
    baseline_intervals: dict[str, Interval]
    plan: Plan
    calibration: dict[str, Any] | None
    """{"error", "baseline", "bins"}, the bins as `reliability` has them; None without a
    probability."""


def measured(told: Judgement) -> Measured:
    """The scores, the loss and the calibration of all examples, and their intervals.

    The expected calibration error has none: of rows drawn twice it is always larger than it is.
    """
    task, size = told.task, len(told)
    sides = [scored(task, found, told.target) for found in (told.found, told.naive)]
    model, naive = (side.whole(size) for side in sides)
    plan = Plan.of(max(side.cost for side in sides), task.overlap)
    own, others = (intervals(each, size) for each in drawn(plan, size, [side.of for side in sides]))
    metrics, baseline = model | {"loss": told.loss}, naive | {"loss": told.naive_loss}
    calibration = None
    bins, naive_bins = (_bins(task, each, told.target) for each in (told.found, told.naive))
    if bins is not None and naive_bins is not None:
        metrics[ERROR], baseline[ERROR] = expected_error(bins), expected_error(naive_bins)
        calibration = {"error": metrics[ERROR], "baseline": baseline[ERROR], "bins": bins}
    return Measured(
        metrics,
        baseline,
        {name: own.get(name) for name in metrics},
        {name: others.get(name) for name in metrics},
        plan,
        calibration,
    )


def scored(task: Task, found: Array, target: Any) -> Scorer:
    """`Task.scorer`, with the mean loss beside its scores where each example has a loss."""
    scorer = task.scorer(found, target)
    losses = task.losses(found, target)
    if losses is None:
        return scorer
    known = np.isfinite(losses).astype(np.float64)
    values = np.nan_to_num(losses)

    def of(counts: Array) -> dict[str, float]:
        there = counts @ known
        return scorer.of(counts) | ({"loss": float(counts @ values / there)} if there else {})

    return Scorer(of, scorer.cost)


def _bins(task: Task, found: Array, target: Any) -> list[dict[str, Any]] | None:
    told = task.confidence(found, target)
    return None if told is None else reliability(*told)
