"""What a search is asked for, checked as a whole before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.data.lake.lake import Lake
from core.errors import Mistakes, UsageError, nearest, together
from core.runs.run import Run
from core.runs.store import Runs
from core.training.checks import duration, maybe, whole
from core.training.choice import Choice, check_options, choose
from core.training.choice import asked as asked_for
from core.training.config import WHOSE, TrainConfig
from core.tuning.space import Space, read_space, usual_space, usual_values
from core.workspace import Workspace

MOST = 100_000
FIXED = ("dataset", "task", "target", "name", "seed")
"""Settings in which trials would not be comparable, or not be told apart from luck."""

_CHECKS = {"trials": whole(1, MOST), "parallel": whole(1, MOST), "max_time": maybe(duration)}


@dataclass(frozen=True)
class Asked:
    """A search: `settings` are the same in all trials, `search` has the ranges as written."""

    settings: dict[str, Any]
    search: dict[str, str]
    trials: int = 20
    max_time: float | None = None
    """Seconds; trials that are at work then are stopped, and count as pruned."""
    parallel: int = 1
    prune: bool = True
    """End a trial that is worse than the median of the others at its epoch."""

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Asked:
        """The spec of a run.

        Raises:
            UsageError: a key or a value cannot be.
        """
        for key in given:
            if key not in cls.__dataclass_fields__:
                hint = nearest(key, list(cls.__dataclass_fields__))
                raise UsageError(f'a search has no "{key}"', hint=hint)
        asked = cls(**given)
        mistakes = []
        seconds = asked.max_time
        for name, check in _CHECKS.items():
            try:
                found = check(getattr(asked, name))
            except ValueError as error:
                mistakes.append(f"{name} must be {error}, not {getattr(asked, name)!r}")
            else:
                seconds = found if name == "max_time" else seconds
        if mistakes:
            raise UsageError("; ".join(mistakes))
        return replace(asked, max_time=seconds)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What was asked, as it is for a data set: the space that is searched, and where it begins."""

    asked: Asked
    choice: Choice
    space: Space
    first: dict[str, Any]
    """Values of the first trial: what a training takes when nobody tunes it."""


def planned(workspace: Workspace, asked: Asked) -> Plan:
    """Check the fixed settings, and the ends of all ranges with them.

    Raises:
        UsageError: something cannot be; all that is wrong with the ranges is named at once.
    """
    at_odds = sorted(asked.search.keys() & asked.settings.keys())
    if at_odds:
        raise UsageError(f"{at_odds[0]} is given a value and a range too", hint="Give it one.")
    for name in FIXED:
        if name in asked.search:
            raise UsageError(f"{name} is the same in all trials", hint="Give it one value.")
    config, choice, written = _settled(workspace, asked)
    space = written or usual_space(choice.architecture, config)
    if not space:
        raise UsageError("nothing is left to search", hint="Give a range, such as lr=1e-4..1e-1.")
    usual = usual_values(choice.architecture)
    first = {name: usual[name] for name, each in space.items() if usual.get(name) in each}
    mistakes: dict[str, None] = {}
    for name, each in space.items():
        for value in each.ends:
            try:
                config = TrainConfig.from_mapping({**asked.settings, **first, name: value})
                if name == "model":
                    choose(workspace, config)
                else:
                    check_options(config, choice.kind, choice.architecture)
            except UsageError as error:
                what = error.what.removeprefix("the training settings have a mistake: ")
                mistakes[f"{what}. {error.hint}".rstrip(". ")] = None
    if mistakes:
        raise UsageError(f"the ranges cannot be: {'; '.join(mistakes)}")
    return Plan(asked, choice, space, first)


def _settled(workspace: Workspace, asked: Asked) -> tuple[TrainConfig, Choice, Space]:
    """The fixed settings, what they mean for the data, and the ranges.

    Raises:
        UsageError: something cannot be: all that is wrong with the settings, and with the names of
            the ranges, at once.
    """
    found = Mistakes()
    settled = found.attempt(lambda: asked_for(workspace, asked.settings))
    if settled is None and not found.found[0].several:
        # A single one of the settings says whose it is, which the row of all will.
        found.found = [*TrainConfig.read(asked.settings)[1]] or found.found
    written = found.attempt(lambda: read_space(asked.search)) or {}
    if settled is not None and not found.found:
        return (*settled, written)
    for name, each in written.items():
        # Which options there are hangs on the model; whether any has such a name does not.
        found.found += TrainConfig.read({"dataset": "any", name: each.ends[0]})[1]
    raise together(found.found, WHOSE)


def start_search(workspace: Workspace, given: Mapping[str, Any]) -> Run:
    """Check a search, write its run down and launch it, detached.

    Raises:
        UsageError: a setting or a range is not what it must be.
        LeptonError: no process can be started.
    """
    asked = Asked.from_mapping(given)
    plan = planned(workspace, asked)
    with Lake(workspace).held(plan.choice.version):
        run = Runs(workspace).create(
            "tune", asked.to_json(), dataset=plan.choice.version.ref, model=plan.choice.name
        )
    try:
        run.launch()
    except BaseException:
        run.remove()
        raise
    return run
