"""What a report tells in words and numbers, alike in every form and on the screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

STEP_ERRORS = ("mean_absolute_error", "mean_absolute_scaled_error")
"""What is told of each step ahead, as "by_step" of a report has it."""


def class_rates(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is told of each class, as "per_class" of a report has it."""
    known = classes[0] if classes else {}
    return [name for name in ("average_precision", "precision", "recall", "f1") if name in known]


def rates_words(report: Mapping[str, Any]) -> str:
    """Which answers the rates of the classes are of; nothing where they are of all."""
    of = report.get("per_class_of")
    return f"Precision, recall and F1 are of {of}" if of else ""


def support_word(classes: Sequence[Mapping[str, Any]]) -> str:
    """What a class has so many of: rows, or objects in them."""
    return "objects" if "average_precision" in class_rates(classes) else "rows"


BASELINE_WORDS = (
    "The baseline has learnt nothing: it gives what is commonest among the training rows, their"
    " mean, or what was there before."
)


def row_name(entry: Mapping[str, Any]) -> str:
    """A row by its path, where it has one, or by its number."""
    return str(entry.get("path") or entry["_rid"])


def mistakes_head(mistakes: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The number that stands beside each mistake, "score" or "error", and what heads them."""
    sure = "score" in mistakes[0]
    return ("score", "Most confident mistakes") if sure else ("error", "Worst mistakes")


def doubts_head(found: Mapping[str, Any]) -> str:
    """How many labels seem wrong."""
    one = found["rows"] == 1
    return (
        f"{found['rows']:,} {'label' if one else 'labels'} of {found['of']:,}"
        f" {'seems' if one else 'seem'} wrong"
    )


def differences(
    metrics: Mapping[str, float], found: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, float, Mapping[str, Any]]]:
    """Each metric of a comparison: its name, of the model, of the other one, and how they differ
    ("difference", "interval", "p")."""
    for name, each in found["differences"].items():
        yield name, metrics.get(name), found["metrics"][name], each


def bootstrap_words(plan: Mapping[str, Any], example: str) -> str:
    """How the intervals of a report were found."""
    what = f"{example}s" if plan["block"] == 1 else f"blocks of {plan['block']} {example}s"
    return (
        f"The intervals hold the middle {plan['confidence']:.0%} of {plan['draws']:,} draws of"
        f" {what} with replacement (percentile bootstrap, seed {plan['seed']})."
    )


def against_words(model: str, found: Mapping[str, Any]) -> str:
    """Which of two models is better, and how sure that is."""
    test = found["test"]
    sure = f"{test['name']} of {test['metric']}, p {test['p']:.2g}"
    if found["verdict"] is None:
        said = f"These rows show no difference between {model} and {found['model']} ({sure})."
    else:
        said = f"{model} is {found['verdict']} than {found['model']} ({sure})."
    if found["fixed"] is None:
        return f"{said} Their rows cannot be paired."
    return f"{said} {found['fixed']:,} answers fixed, {found['broken']:,} broken."


def slice_mark(part: Mapping[str, Any]) -> str:
    """What stands out about a slice, in words."""
    if part["few"]:
        return "too few to say"
    return f"{part['than_all']} than all" if part["than_all"] else ""


def number(value: float | None) -> str:
    """A number as a page of the report shows it; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
