"""What the start form asks for, without the form: settings, their mistakes, the shell command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from core.augmentation import KINDS, written
from core.data.lake.lake import Lake
from core.data.lake.names import valid_name
from core.data.lake.version import Version
from core.errors import UsageError
from core.models.architectures import ARCHITECTURES
from core.models.hub.base import Base, is_base, placed
from core.models.hub.table import PRETRAINED
from core.models.registry import ModelFolder, Models
from core.tasks import TASKS, Fit, TableFacts, facts, guess, task
from core.training.config import TrainConfig
from core.training.spelling import parse_setting
from core.workspace import Workspace
from screens.text import counted, human_count, plain

FIELDS = (
    *("dataset", "task", "target", "model", "init_from", "tune"),
    *("epochs", "batch_size", "lr", "augment", "device", "devices", "queue", "name"),
)
MORE = "more"
"""The field of all other settings and options, as words key=value."""
FLAGS = {"init_from": "from"}
"""How the command line calls a setting, where that is another name."""
OTHERS, OURS = "pretrained", "trained"
"""What `model` holds where it is no architecture: one that others trained, or one of ours."""
TUNE = PRETRAINED.options[0]
QUEUES = {"wait until it is free": True, "start at once": False}
DEFAULT_EPOCHS = TrainConfig(dataset="").epochs

Settings = dict[str, Any]


@dataclass(frozen=True)
class Surveyed:
    """A data set as far as training needs to know it, and the models that it can go on from.

    `splits` are rows by name.
    """

    version: Version
    facts: TableFacts
    splits: dict[str, int]
    trained: tuple[ModelFolder, ...] = ()

    def trained_for(self, fit: Fit) -> list[ModelFolder]:
        """The models of a task that learned the same target."""
        return [
            model
            for model in self.trained
            if model.info["task"] == fit.task
            and (model.info.get("training") or {}).get("target") == fit.target
        ]


def survey(workspace: Workspace, dataset: str) -> Surveyed:
    """Look at the columns of a data set (in a thread: it reads rows).

    Raises:
        LeptonError: there is none of that name, or a file of it is missing.
    """
    with Lake(workspace).open(dataset) as view:
        return Surveyed(view.version, facts(view), view.splits(), tuple(Models(workspace).list()))


def fit(surveyed: Surveyed, settings: Mapping[str, Any]) -> Fit:
    """The task and columns that training will use.

    Raises:
        UsageError: the named task or target does not suit, or none does.
    """
    return guess(surveyed.facts, target=settings.get("target"), task=settings.get("task"))


def tasks() -> list[str]:
    return list(TASKS)


def models(name: str, *, trained: bool) -> list[tuple[str, str]]:
    """What can be trained for a task, each with a line about it; the first is the default.

    `trained` says that there is a model of ours to go on from.
    """
    kind = task(name)
    found = [(each, ARCHITECTURES[each].summary) for each in kind.architectures]
    if kind.takes_pretrained:
        found.append((OTHERS, "one that others trained, in a folder or on the hub"))
    if trained:
        found.append((OURS, "go on from one that was trained here"))
    return found


def suggested(given: Mapping[str, Any], key: str) -> str:
    """The value of `lr` or `batch_size` when none is named, as text."""
    model, options = str(given.get("model") or ""), given.get("options", {})
    known = ARCHITECTURES.get(model)
    if is_base(model):
        known = Base(model, Path(), {}).architecture(options)
    value = known.suggested.get(key) if known else None
    return "" if value is None else f"{value:g}"


def named(given: Mapping[str, Any], trained: Iterable[ModelFolder] = ()) -> str:
    """The name that the trained model gets when none is given."""
    model = str(given.get("model") or "")
    if origin := given.get("init_from"):
        found = next((each for each in trained if each.ref == origin), None)
        model = str(found.info.get("base") or found.info["architecture"]) if found else ""
    short = Base(model, Path(), {}).short if is_base(model) else model
    return f"{str(given.get('dataset', '')).partition('@')[0]}_{short or '…'}"


def augmentations(name: str) -> str:
    """Which augmentations fit a task's inputs, in words."""
    kind = task(name)
    names = ", ".join(each.name for each in written.suiting(kind))
    other = name if written.fitting(kind.reads) else KINDS[kind.reads]
    return f"none; there are {names}" if names else f"none; there are none for {other}"


def settings(typed: Mapping[str, str]) -> Settings:
    """What the fields hold, those left empty out; what cannot be read as a number stays text.

    Where `model` is `OTHERS`, "pretrained" says which; where it is `OURS`, "init_from" does. What
    is said in `MORE` goes before what another field holds.
    """
    chosen, place = typed.get("model"), typed.get("pretrained", "").strip()
    if chosen == OTHERS and place:
        # A word alone is a folder's name: models of the hub have an owner.
        typed = {**typed, "model": place if is_base(place) else f"./{place}"}
    typed = {**typed, **({"model": ""} if chosen == OURS else {"init_from": ""})}
    given: Settings = {}
    for name in FIELDS:
        text = typed.get(name, "").strip()
        if not text:
            continue
        if name == "tune":
            given["options"] = {name: text}
        elif name == "queue":
            given[name] = QUEUES[text]
        else:
            given[name] = _number(name, text)
    more = dict(map(_setting, words(typed.get(MORE, ""))))
    if "tune" in more:
        given["options"] = {"tune": more.pop("tune")}
    return given | more


def words(text: str) -> list[str]:
    """The words of a line, as a shell would part them."""
    try:
        return shlex.split(text)
    except ValueError:  # a quotation that goes on
        return text.split()


def _setting(word: str) -> tuple[str, Any]:
    try:
        return parse_setting(word)
    except UsageError:
        return word, ""  # of which it is told that there is no such setting, or what it must be


def _number(name: str, text: str) -> Any:
    kind = {"epochs": int, "batch_size": int, "devices": int, "lr": float}.get(name)
    try:
        return kind(text) if kind else text
    except ValueError:
        return text


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
            # A folder is here or not; what the hub has, the training will see.
            if name == "model" and value == OTHERS:
                raise UsageError("name it: ./FOLDER, or OWNER/NAME on the hub")
            if name == "model" and is_base(value) and Path(placed(value)).is_absolute():
                Base.find(value)
            if name == "augment" and fit is not None:
                written.check_task(written.read(value), task(fit.task))
        except UsageError as error:
            # One setting, one mistake: what stands before the colon says only that.
            said = error.what.partition("settings have a mistake: ")
            wrong[name] = ". ".join(part for part in (said[2] or said[0], error.hint) if part)
    if not wrong:
        try:
            TrainConfig.from_mapping(given)
        except UsageError as error:
            wrong["devices"] = error.what.partition("settings have a mistake: ")[2] or error.what
    return wrong


def of_run(spec: Mapping[str, Any]) -> Settings:
    """What a run was asked to do, without what nobody asked for: a form can be filled with it."""
    usual = TrainConfig(dataset="").to_json()
    return {name: value for name, value in spec.items() if value != usual.get(name)}


def held(given: Mapping[str, Any]) -> dict[str, str]:
    """Settings as the fields hold them: what `settings` makes them of."""
    fields = {name: value for name, value in given.items() if name in FIELDS and value is not None}
    if is_base(fields.get("model")):
        fields |= {"model": OTHERS, "pretrained": fields["model"]}
    if "init_from" in fields:
        fields["model"] = OURS
    if tune := given.get("options", {}).get("tune"):
        fields["tune"] = tune
    if "queue" in fields:
        fields["queue"] = next(words for words, way in QUEUES.items() if way == fields["queue"])
    told = {name: typed(value) for name, value in fields.items()}
    return told | {MORE: shlex.join(others(given))}


def others(given: Mapping[str, Any]) -> list[str]:
    """What no field asks for, as words key=value; `tune` has one."""
    named = {name: value for name, value in given.items() if name not in FIELDS}
    options = {name: value for name, value in named.pop("options", {}).items() if name != "tune"}
    return [f"{name}={_as_word(value)}" for name, value in {**named, **options}.items()]


def is_tuned(ref: str, trained: Iterable[ModelFolder]) -> bool:
    """Whether a model of ours is one that others trained first, which is tuned in several ways."""
    found = next((each for each in trained if each.ref == ref), None)
    return found is not None and found.info["architecture"] == PRETRAINED.name


def typed(value: Any) -> str:
    """A setting as a field holds it."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def command(given: Mapping[str, Any]) -> str:
    """The same training from a shell."""
    said = ["lepton", "train", str(given.get("dataset", "DATASET"))]
    for name in FIELDS[1:]:
        flag = FLAGS.get(name, name).replace("_", "-")
        match given.get(name):
            case None:
                continue
            case bool() as way:
                said.append(f"--{flag}" if way else f"--no-{flag}")
            case value:
                said += [f"--{flag}", typed(value)]
    tune = given.get("options", {}).get("tune")
    return shlex.join([*said, *others(given), *([f"tune={tune}"] if tune else [])])


def _as_word(value: Any) -> str:
    """A value of the form key=value: as TOML has it, or else as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def told(surveyed: Surveyed, fit: Fit) -> Text:
    """What training will read, and how many rows of it."""
    said = Text(f"{fit.task}: {plain(fit.why)}.")
    splits = surveyed.splits
    if "train" in splits:
        parts = ", ".join(
            f"{human_count(splits[name])} {name}" for name in sorted(splits, key=_order)
        )
        said.append(f" Rows: {parts}.", "dim")
    else:
        rows = counted(surveyed.version.rows, "row")
        said.append(f" {rows}, to be split 80 : 10 : 10 by chance.", "dim")
    for note in fit.notes:
        said.append(f" {plain(note)}.", "dim")
    return said


def _order(split: str) -> int:
    order = ("train", "validation", "test")
    return order.index(split) if split in order else len(order)
