"""Kinds of problem. A new one is one new file, and one line in `TASKS`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from core.errors import UsageError, nearest
from core.tasks.base import UNKNOWN, Fit, Task
from core.tasks.facts import ColumnFacts, TableFacts, facts

__all__ = ["TASKS", "UNKNOWN", "ColumnFacts", "Fit", "TableFacts", "Task", "facts", "guess", "task"]

TASKS: dict[str, str] = {
    "image-classification": "core.tasks.image_classification:ImageClassification",
    "text-classification": "core.tasks.text_classification:TextClassification",
    "text-regression": "core.tasks.text_regression:TextRegression",
    "text-generation": "core.tasks.text_generation:TextGeneration",
    "audio-classification": "core.tasks.audio_classification:AudioClassification",
    "automatic-speech-recognition": "core.tasks.speech_recognition:SpeechRecognition",
    "object-detection": "core.tasks.object_detection:ObjectDetection",
    "time-series-forecasting": "core.tasks.time_series_forecasting:TimeSeriesForecasting",
    "tabular-classification": "core.tasks.tabular_classification:TabularClassification",
    "tabular-regression": "core.tasks.tabular_regression:TabularRegression",
}


def task(name: str) -> type[Task]:
    """The task of that name; its module is loaded now.

    Raises:
        UsageError: there is none.
    """
    return _load(name)


def _load(name: str) -> type[Task]:
    if name not in TASKS:
        raise UsageError(f'there is no task "{name}"', hint=nearest(name, TASKS))
    module, kind = TASKS[name].split(":")
    found: type[Task] = getattr(import_module(module), kind)
    return found


def guess(
    facts: TableFacts,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
) -> Fit:
    """The task that suits a data set best. What is named wins over what it was imported for.

    Raises:
        UsageError: an unknown task or column, or no task that suits.
    """
    for name in [*(inputs or ()), *([target] if target else [])]:
        facts.column(name)
    if target and inputs and target in inputs:
        raise UsageError(f'the column "{target}" cannot be both input and target')
    facts = _as_imported(facts, target, task, inputs)
    named = task or facts.task
    kinds = [_load(named)] if named else [_load(name) for name in TASKS]
    target, inputs = target or facts.target, inputs or facts.inputs
    fits = [fit for kind in kinds if (fit := kind.fit(facts, target, inputs))]
    if fits:
        return max(fits, key=lambda fit: fit.score)
    columns = ", ".join(f"{column.name} ({column.type})" for column in facts.columns)
    if named:
        raise UsageError(
            f"{named} needs {kinds[0].needs}",
            where=f"columns: {columns}",
            hint=kinds[0].advice(facts, target) or _others(facts, target, inputs),
        )
    hint = (
        "; ".join(f"{kind.name} needs {kind.needs}" for kind in kinds) + "."
        if target
        else "Name the column to predict with --target COLUMN, or the kind of problem with --task,"
        f" which then says what it needs: {', '.join(TASKS)}."
    )
    raise UsageError("no task suits this data set", where=f"columns: {columns}", hint=hint)


def _others(facts: TableFacts, target: str | None, inputs: Sequence[str] | None) -> str:
    """A hint with the tasks that would suit."""
    facts = replace(facts, task=None)
    fits = [fit for name in TASKS if (fit := _load(name).fit(facts, target, inputs))]
    if not fits:
        return "" if target else "Name the column to predict with --target COLUMN."
    fits.sort(key=lambda fit: -fit.score)
    return f"These columns suit {', '.join(fit.task for fit in fits)}."


def _as_imported(
    facts: TableFacts, target: str | None, task: str | None, inputs: Sequence[str] | None
) -> TableFacts:
    """The facts, without what the data set was imported for where that contradicts a person.

    A task without a target was a guess, and columns may have come since.
    """
    if facts.target is None and task is None:
        return replace(facts, task=None)
    if (target and target != facts.target) or (inputs and facts.target in inputs):
        return replace(facts, task=None, target=None, inputs=None)
    gone = set(facts.inputs or ()) - {column.name for column in facts.columns}
    if gone or (task and task != facts.task):
        return replace(facts, inputs=None)
    return facts
