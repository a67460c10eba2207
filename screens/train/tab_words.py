"""What the tabs of words hold of a run: what is read for each, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from core.runs.compare import compare, settings
from core.runs.store import Runs
from screens.train.follower import Snapshot
from screens.train.lines import outcome_of, short
from screens.train.live import COMPARE, FOUND, LOG, SETTINGS
from screens.train.panes import comparison_words, log_words, settings_words
from screens.train.search import search_words


@dataclass(frozen=True)
class TabWords:
    """`read` is for a thread; `say` makes words of what it found, and of what `of` tells apart."""

    read: Callable[[], Any]
    say: Callable[[Any], RenderableType]
    of: object


def tab_words(tab: str, runs: Runs, names: Sequence[str], seen: Snapshot | None) -> TabWords | None:
    """What a tab holds of the first of these runs, and of those beside it; None: it needs nothing
    read but the run's events."""
    name = names[0]
    if tab == LOG and seen is not None:
        logs = seen.logs
        return TabWords(
            lambda: runs.get(name).log_tail(),
            lambda printed: log_words(logs, printed),
            (name, logs),
        )
    if tab == FOUND:
        return TabWords(lambda: outcome_of(runs.get(name)), search_words, name)
    if tab == SETTINGS:
        return TabWords(lambda: settings(runs.get(name)), settings_words, name)
    if tab == COMPARE:
        labels = [short(each) for each in names]
        return TabWords(
            lambda: compare([runs.get(each) for each in names]),
            lambda found: comparison_words(found, labels),
            tuple(names),
        )
    return None
