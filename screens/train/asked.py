"""What the start form asks for, without the form: settings, their mistakes, the shell command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.augmentation import KINDS, written
from core.data.lake.lake import Lake, valid_name
from core.data.lake.version import Version
from core.errors import UsageError
from core.models.architectures import ARCHITECTURES
from core.tasks import TASKS, Fit, TableFacts, facts, guess, task
from core.training.config import TrainConfig
from core.workspace import Workspace

FIELDS = ("dataset", "task", "target", "model", "epochs", "batch_size", "lr", "augment", "name")
DEFAULT_EPOCHS = TrainConfig(dataset="").epochs

Settings = dict[str, Any]


@dataclass(frozen=True)
class Surveyed:
    """A data set as far as training needs to know it; `splits` are rows by name."""

    version: Version
    facts: TableFacts
    splits: dict[str, int]


def survey(workspace: Workspace, dataset: str) -> Surveyed:
    """Look at the columns of a data set (in a thread: it reads rows).

    Raises:
        LeptonError: there is none of that name, or a file of it is missing.
    """
    with Lake(workspace).open(dataset) as view:
        return Surveyed(view.version, facts(view), view.splits())


def fit(surveyed: Surveyed, settings: Mapping[str, Any]) -> Fit:
    """The task and columns that training will use.

    Raises:
        UsageError: the named task or target does not suit, or none does.
    """
    return guess(surveyed.facts, target=settings.get("target"), task=settings.get("task"))


def tasks() -> list[str]:
    return list(TASKS)


def models(name: str) -> list[tuple[str, str]]:
    """The architectures that suit a task, each with a line about it; the first is the default."""
    return [(each, ARCHITECTURES[each].summary) for each in task(name).architectures]


def suggested(model: str | None, key: str) -> str:
    """The value of `lr` or `batch_size` when none is named, as text."""
    known = ARCHITECTURES.get(model or "")
    value = known.suggested.get(key) if known else None
    return "" if value is None else f"{value:g}"


def augmentations(name: str) -> str:
    """Which augmentations fit a task's inputs, in words."""
    reads = task(name).reads
    names = ", ".join(each.name for each in written.fitting(reads))
    return f"none; there are {names}" if names else f"none; there are none for {KINDS[reads]}"


def settings(typed: Mapping[str, str]) -> Settings:
    """What the fields hold, those left empty out; what cannot be read as a number stays text."""
    given: Settings = {}
    for name in FIELDS:
        text = typed.get(name, "").strip()
        if not text:
            continue
        kinds = {"epochs": (int,), "batch_size": (int,), "lr": (float,)}.get(name, ())
        given[name] = text
        for kind in kinds:
            try:
                given[name] = kind(text)
            except ValueError:
                continue
    return given


def mistakes(given: Mapping[str, Any], fit: Fit | None = None) -> dict[str, str]:
    """What is wrong with each field, in words; empty when nothing is.

    With `fit`, augmentations that do not suit the task are wrong too.
    """
    wrong: dict[str, str] = {}
    if "dataset" not in given:
        wrong["dataset"] = "choose the data set to train on"
    for name, value in given.items():
        try:
            if name == "name":
                valid_name(value)
            TrainConfig.from_mapping({"dataset": "any", name: value})
            if name == "augment" and fit is not None:
                kind = task(fit.task)
                written.check(
                    written.read(value),
                    kind.reads,
                    mixes=kind.mixes,
                    boxes=kind.boxes,
                    what=kind.name,
                )
        except UsageError as error:
            # One setting, one mistake: what stands before the colon says only that.
            said = error.what.partition("settings have a mistake: ")
            wrong[name] = ". ".join(part for part in (said[2] or said[0], error.hint) if part)
    return wrong


def of_run(spec: Mapping[str, Any]) -> Settings:
    """What a run was asked to do, without what nobody asked for: a form can be filled with it."""
    usual = TrainConfig(dataset="").to_json()
    return {name: value for name, value in spec.items() if value != usual.get(name)}


def typed(value: Any) -> str:
    """A setting as a field holds it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def command(given: Mapping[str, Any]) -> str:
    """The same training from a shell."""
    words = ["lepton", "train", str(given.get("dataset", "DATASET"))]
    for name in FIELDS[1:]:
        if name in given:
            words += [f"--{name.replace('_', '-')}", typed(given[name])]
    # What no field asks for: a run that is cloned may have been set in other ways too.
    others = {name: value for name, value in given.items() if name not in FIELDS}
    others |= others.pop("options", {})
    words += [f"{name}={_as_word(value)}" for name, value in others.items()]
    return shlex.join(words)


def _as_word(value: Any) -> str:
    """A value of the form key=value: as TOML has it, or else as it is."""
    return value if isinstance(value, str) else json.dumps(value)
