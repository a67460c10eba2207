"""The list of runs: as many of the newest as are looked at, each in a line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from rich.cells import cell_len

from core.data.lake.lake import Lake
from core.runs.glimpse import glimpse
from core.runs.state import RunState
from core.runs.store import Runs
from screens.listing import Line, headline_number
from screens.text import fit, human_duration, plain, relative_time, spark, state_badge

KIND = "train"
AT_ONCE = 100
"""Runs that are read at first, and more when the cursor comes to the end."""
SPARK = 8


@dataclass(frozen=True)
class Seen:
    """The newest runs and the data sets of the workspace at one moment; `more` are older ones."""

    runs: list[RunState]
    curves: dict[str, tuple[float, ...]]
    datasets: list[str]
    more: bool


def look(known: Runs, most: int, wanted: str | None = None) -> Seen:
    """Read the newest runs, `most` of them, and further ones until the `wanted` is among them."""
    newest = known.newest(KIND)
    runs = [*islice(newest, most)]
    while wanted is not None and all(run.id != wanted for run in runs):
        older = [*islice(newest, AT_ONCE)]
        if not older:
            break
        runs += older
    return Seen(
        [run.state() for run in runs],
        {run.id: glimpse(run.events_path) for run in runs},
        [version.dataset for version in Lake(known.workspace).datasets()],
        more=next(newest, None) is not None,
    )


def named(run: RunState) -> str:
    return plain(run.model or run.dataset or run.id)


def short(run: str) -> str:
    """The four letters that are enough for every command."""
    return run.rpartition("-")[2]


def lines(seen: Seen, marked: Collection[str]) -> list[Line]:
    """The runs as lines: state, name and tags, the shape of the loss, how far, and how long."""
    facts = [_facts(run, seen.curves.get(run.id, ())) for run in seen.runs]
    widths = [max(map(cell_len, column)) for column in zip(*facts, strict=True)]
    return [
        Line(
            run.id,
            _words(run, marked=run.id in marked),
            tuple(fit(fact, width, right=True) for fact, width in zip(told, widths, strict=True)),
        )
        for run, told in zip(seen.runs, facts, strict=True)
    ]


def _words(run: RunState, *, marked: bool) -> str:
    words = [state_badge(run.state)[0], named(run), *(f"#{plain(tag)}" for tag in run.tags)]
    return " ".join(["+", *words] if marked else words)


def _facts(run: RunState, curve: tuple[float, ...]) -> tuple[str, str, str]:
    if run.place is not None:
        far = f"#{run.place}"
    elif run.pid is not None and run.epochs:
        far = f"{run.epoch or 1}/{run.epochs}"
    else:
        far = headline_number(run.metrics, run.metric)
    when = relative_time(run.created).removesuffix(" ago")
    if run.remaining is not None:
        # The first unit alone: in so narrow a list the name is worth more than seconds.
        when = f"{' '.join(human_duration(run.remaining).split()[:2])} left"
    return spark(curve, SPARK), far, when
