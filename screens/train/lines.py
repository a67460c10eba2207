"""The list of runs: as many of the newest as are looked at, a search with its trials under it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.runs.glimpse import glimpse
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.tuning.outcome import Outcome
from screens.listing import Line, headline_number
from screens.text import fit, human_duration, human_number, plain, relative_time, spark, state_badge

TRAIN, SEARCH = "train", "tune"
AT_ONCE = 100
"""Runs that are read at first, and more when the cursor comes to the end."""
SPARK = 8


@dataclass(frozen=True)
class Seen:
    """The newest runs and the data sets of the workspace at one moment.

    The trials of a search are not among `runs`, unless it is `unfolded`: then they come after it,
    and `of` names it for each. `searches` has what each search has found. `tops` counts the runs
    that are no trials, and `more` says that there are older ones.
    """

    runs: list[RunState]
    curves: dict[str, tuple[float, ...]]
    datasets: list[str]
    more: bool
    tops: int = 0
    searches: dict[str, Outcome | None] = field(default_factory=dict)
    unfolded: frozenset[str] = frozenset()
    of: dict[str, str] = field(default_factory=dict)


def look(known: Runs, most: int, wanted: str | None = None, unfolded: Collection[str] = ()) -> Seen:
    """Read the newest runs, `most` of them, and further ones until the `wanted` is among them."""
    newest = known.newest(TRAIN, SEARCH)
    tops: list[Run] = []
    trials: dict[str, list[Run]] = {}
    there: dict[str, bool] = {}
    met, more = wanted is None, False
    opened = set(unfolded)
    for run in newest:
        search = _search_of(run, known, there)
        if search is not None:
            trials.setdefault(search, []).append(run)
            if run.id == wanted:
                wanted = search
                opened.add(search)
            continue
        if len(tops) >= most and met:
            more = True
            break
        tops.append(run)
        met = met or run.id == wanted
    shown: list[Run] = []
    of: dict[str, str] = {}
    for run in tops:
        shown.append(run)
        if run.id in opened:
            shown += trials.get(run.id, ())
            of |= {trial.id: run.id for trial in trials.get(run.id, ())}
    searches = {run.id: outcome_of(run) for run in tops if run.kind == SEARCH}
    return Seen(
        [run.state() for run in shown],
        {run.id: _curve(run, searches.get(run.id)) for run in shown},
        [version.dataset for version in Lake(known.workspace).datasets()],
        more,
        len(tops),
        searches,
        frozenset(opened & searches.keys()),
        of,
    )


def outcome_of(run: Run) -> Outcome | None:
    """What a search has found; nothing where its file cannot be read."""
    with suppress(LeptonError):
        return Outcome.load(run.artifacts)
    return None


def _search_of(run: Run, known: Runs, there: dict[str, bool]) -> str | None:
    """The search that a run is a trial of, if that has not been removed."""
    search = str(run.info.get("parent") or "").partition("/")[0]
    if search and search not in there:
        there[search] = (known.workspace.runs / search / "run.json").exists()
    return search if search and there[search] else None


def _curve(run: Run, found: Outcome | None) -> tuple[float, ...]:
    """The shape of a run's loss, or of what the trials of a search reached one after another."""
    if run.kind != SEARCH:
        return glimpse(run.events_path)
    return tuple(each.value for each in found.trials if each.value is not None) if found else ()


def named(run: RunState) -> str:
    return plain(run.model or run.dataset or run.id)


def short(run: str) -> str:
    """The four letters that are enough for every command."""
    return run.rpartition("-")[2]


def lines(seen: Seen, marked: Collection[str]) -> list[Line]:
    """The runs as lines: state, name and tags, the shape of the loss, how far, and how long."""
    facts = [_facts(run, seen) for run in seen.runs if run.id not in seen.of]
    widths = [max(map(cell_len, column)) for column in zip(*facts, strict=True)]
    return [
        Line(run.id, _words(run, seen, marked=run.id in marked), _fitted(run, seen, widths))
        for run in seen.runs
    ]


def _fitted(run: RunState, seen: Seen, widths: list[int]) -> tuple[str, ...]:
    facts = _facts(run, seen)
    if run.id in seen.of:
        # What a trial tries is worth more than its shape, and its search says when it was.
        return facts[1:2]
    return tuple(fit(fact, width, right=True) for fact, width in zip(facts, widths, strict=True))


def _words(run: RunState, seen: Seen, *, marked: bool) -> str:
    words = ["+"] if marked else []
    words.append(state_badge(run.standing)[0])
    if run.kind == SEARCH:
        words += ["▾" if run.id in seen.unfolded else "▸", named(run), "search"]
    elif search := seen.of.get(run.id):
        found = seen.searches[search]
        best = found.best if found else None
        words.insert(0, "  ★" if best and best.run == run.id else "   ")
        # Its note says what it tries, as long as nobody wrote another.
        words.append(plain(run.note) or named(run))
        own = f"tune-{short(search)}"
        return " ".join([*words, *(f"#{plain(tag)}" for tag in run.tags if tag != own)])
    else:
        words.append(named(run))
    return " ".join([*words, *(f"#{plain(tag)}" for tag in run.tags)])


def _facts(run: RunState, seen: Seen) -> tuple[str, str, str]:
    if run.place is not None:
        far = f"#{run.place}"
    elif run.kind == SEARCH:
        far = _how_far(run, seen.searches.get(run.id))
    elif run.pid is not None and run.epochs:
        far = f"{run.epoch or 1}/{run.epochs}"
    else:
        far = headline_number(run.metrics, run.metric)
    when = relative_time(run.created).removesuffix(" ago")
    if run.remaining is not None:
        # The first unit alone: in so narrow a list the name is worth more than seconds.
        when = f"{' '.join(human_duration(run.remaining).split()[:2])} left"
    return spark(seen.curves.get(run.id, ()), SPARK), far, when


def _how_far(search: RunState, found: Outcome | None) -> str:
    """The best so far, and while it goes on how many trials of how many have ended."""
    best = found.best if found else None
    words = [human_number(best.value, 3)] if best else []
    if search.pid is not None and search.steps:
        words.append(f"{search.step or 0}/{search.steps}")
    return " ".join(words)
