"""Two models on the same rows: which is better, whether chance could say so too, what changed."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log
from typing import Any

import numpy as np

from core.errors import UsageError
from core.evaluation.bootstrap import CONFIDENCE, SEED, Plan, drawn, interval, two_sided
from core.evaluation.judge import Judgement
from core.evaluation.measure import scored
from core.models.registry import ModelFolder
from core.tasks.base import Task
from core.tasks.verdicts import SHOWN

Array = np.ndarray[Any, Any]

MCNEMAR = "McNemar's exact test"
PAIRED = "paired bootstrap"
UNPAIRED = "bootstrap, the rows not paired"
FIXED, BROKEN = "fixed", "broken"
BETTER, WORSE = "better", "worse"


def check_alike(folder: ModelFolder, task: Task, other: ModelFolder, others: Task) -> None:
    """Whether two models answer the same question.

    Raises:
        UsageError: they do not.
    """
    if (task.name, task.metric, task.target) != (others.name, others.metric, others.target):
        told = (
            f"{each.ref} tells {of.target} ({of.name})"
            for each, of in ((folder, task), (other, others))
        )
        raise UsageError(
            f"these models cannot be compared: {', '.join(told)}",
            hint="Compare two that were trained for the same column.",
        )


def compared(one: Judgement, other: Judgement) -> dict[str, Any]:
    """How the model of `one` differs from that of `other`, as JSON values.

    "rows" that both were judged on, "paired" or not, "metrics" of the other, "differences" {metric:
    {"difference", "interval", "p"}} (one minus the other), "test" {"name", "metric", "p"},
    "verdict" ("better", "worse" or None: chance alone could do it), "fixed" and "broken" (how many
    answers are right now, or wrong now; for a task of near and far, better or worse), and "changed"
    [{"row" (its place in `one`), "change", "truth", "before", "now"}], the clearest first.
    """
    pairs = _pairs(one.rids, other.rids)
    if pairs is not None:
        rows, others = pairs
        alike = one.taken(rows), other.taken(others)
        found = _paired(*alike)
        changed = _changed(*alike)
        for each in changed["changed"]:
            each["row"] = int(rows[each["row"]])
        found |= changed
        if one.task.tells_classes:
            found["test"] = {
                "name": MCNEMAR,
                "metric": one.task.metric,
                "p": mcnemar(changed[FIXED], changed[BROKEN]),
            }
    else:
        found = _unpaired(one, other) | {FIXED: None, BROKEN: None, "changed": []}
    test = found["test"]
    difference = found["differences"][test["metric"]]["difference"]
    if test["p"] < 1 - CONFIDENCE and difference:
        up = (difference > 0) == one.task.higher_is_better
        found["verdict"] = BETTER if up else WORSE
    else:
        found["verdict"] = None
    return found


def mcnemar(fixed: int, broken: int) -> float:
    """The two-sided chance of so uneven a change if either were as likely, by the binomial.

    Dietterich, "Approximate statistical tests for comparing supervised classification learning
    algorithms", 1998; exact, since the approximation needs more changes than there may be.
    """
    whole, few = fixed + broken, min(fixed, broken)
    if not whole:
        return 1.0
    logs = [
        lgamma(whole + 1) - lgamma(k + 1) - lgamma(whole - k + 1) - whole * log(2)
        for k in range(few + 1)
    ]
    return min(1.0, 2 * sum(map(exp, logs)))


def _pairs(one: Array, other: Array) -> tuple[Array, Array] | None:
    """The places of the same examples in both; None where rows do not tell examples apart."""
    if len(one) == len(other) and (one == other).all():
        return np.arange(len(one)), np.arange(len(one))
    if any(len(np.unique(each)) < len(each) for each in (one, other)):
        return None
    _, here, there = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    order = np.argsort(here)
    return (here[order], there[order]) if len(here) else None


def _paired(one: Judgement, other: Judgement) -> dict[str, Any]:
    sides = [scored(each.task, each.found, each.target) for each in (one, other)]
    plan = Plan.of(sum(side.cost for side in sides) // 2, one.task.overlap)
    draws = drawn(plan, len(one), [side.of for side in sides])
    wholes = [side.whole(len(one)) for side in sides]
    return _differences(one, PAIRED, wholes, draws, len(one))


def _unpaired(one: Judgement, other: Judgement) -> dict[str, Any]:
    draws, wholes = [], []
    for number, each in enumerate((one, other)):
        side = scored(each.task, each.found, each.target)
        plan = Plan.of(side.cost, each.task.overlap, seed=SEED + number)
        draws += drawn(plan, len(each), [side.of])
        wholes.append(side.whole(len(each)))
    return _differences(one, UNPAIRED, wholes, draws, min(len(one), len(other)))


def _differences(
    one: Judgement,
    name: str,
    wholes: Sequence[dict[str, float]],
    draws: Sequence[dict[str, Array]],
    rows: int,
) -> dict[str, Any]:
    mine, theirs = wholes
    differences = {}
    for metric in (each for each in mine if each in theirs):
        ours, others = (each[metric] for each in draws)
        shorter = min(len(ours), len(others))
        apart = ours[:shorter] - others[:shorter]
        differences[metric] = {
            "difference": mine[metric] - theirs[metric],
            "interval": interval(apart) if rows > 1 else None,
            "p": two_sided(apart) if rows > 1 else 1.0,
        }
    metric = one.task.metric
    return {
        "rows": rows,
        "paired": name == PAIRED,
        "metrics": theirs,
        "differences": differences,
        "test": {"name": name, "metric": metric, "p": differences[metric]["p"]},
    }


def _changed(one: Judgement, other: Judgement) -> dict[str, Any]:
    now, before = (each.task.verdicts(each.found, each.target) for each in (one, other))
    if now.wrong is not None and before.wrong is not None:
        better, worse = before.wrong & ~now.wrong, now.wrong & ~before.wrong
    else:
        better, worse = before.badness > now.badness, now.badness > before.badness
    apart = np.abs(before.badness - now.badness)
    changed = []
    for change, which in ((BROKEN, worse), (FIXED, better)):
        rows = np.flatnonzero(which)
        for at in rows[np.argsort(-apart[rows], kind="stable")][:SHOWN].tolist():
            told = {"row": at, "change": change, "truth": now.truth(at)}
            changed.append(told | {"before": before.answer(at), "now": now.answer(at)})
    return {FIXED: int(better.sum()), BROKEN: int(worse.sum()), "changed": changed}
