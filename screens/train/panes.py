"""The tabs of a run that hold words: its samples, log, settings, and others beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from core.runs.compare import Comparison
from core.runs.events import Event
from screens.tables import plain_table
from screens.text import (
    answer_words,
    clip,
    human_number,
    percent,
    plain,
    setting_text,
    state_badge,
)
from screens.train.follower import Snapshot

EPOCHS_SHOWN = 4
LONGEST = 120


class TextPane(VerticalScroll):
    """Words that scroll; with `at_end` it stays there, unless a person has scrolled away."""

    BINDING_GROUP_TITLE = "Text"
    DEFAULT_CSS = """
    TextPane { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    TextPane > Static { height: auto; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.at_end = False
        self._shown: object = None

    def compose(self) -> Any:
        yield Static(markup=False)

    def show(self, make: Callable[[], RenderableType], of: object) -> None:
        """Show something, unless what it would be made `of` is what is shown already."""
        if of == self._shown:
            return
        self._shown = of
        follow = self.at_end and self.is_vertical_scroll_end
        self.query_one(Static).update(make())
        if follow:
            self.call_after_refresh(self.scroll_end, animate=False)


def no_samples_words(seen: Snapshot) -> str:
    """Why a run has no samples."""
    if seen.metrics:
        return "no samples were taken"
    if seen.alive:
        return "no sample yet: the first come with the end of the first epoch"
    return "no samples: they come with the end of an epoch, and the run ended before"


def samples_words(samples: Sequence[Event]) -> RenderableType:
    """What the model says of a few rows, epoch after epoch.

    An answer that changed stands out, and a label that is not the right one has a ✗.
    """
    shown = samples[-EPOCHS_SHOWN:]
    before = samples[-EPOCHS_SHOWN - 1] if len(samples) > EPOCHS_SHOWN else None
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold", expand=True)
    table.add_column("row", no_wrap=True)
    table.add_column("truth", ratio=1)
    for event in shown:
        table.add_column(f"epoch {event['epoch']}", ratio=1)
    for at, sample in enumerate(shown[-1]["examples"]):
        cells = []
        last = _answer(before, at)
        for event in shown:
            said = _answer(event, at) or ""
            cells.append(Text(clip(said, LONGEST), "bold" if last not in (None, said) else ""))
            last = said
        truth = "" if sample.get("truth") is None else answer_words(sample["truth"])
        table.add_row(Text(str(sample.get("row", "")), "dim"), Text(clip(truth, LONGEST)), *cells)
    inputs = [
        Text.assemble(
            (f"{sample.get('row', '')}  ", "dim"), clip(plain(str(sample["input"])), 3 * LONGEST)
        )
        for sample in shown[-1]["examples"]
        if sample.get("input")
    ]
    return Group(table, Text(), *inputs)


def _answer(event: Event | None, at: int) -> str | None:
    if event is None or at >= len(event["examples"]):
        return None
    sample = event["examples"][at]
    match sample.get("answer"):
        case {"label": label, "score": float(score)}:
            wrong = sample.get("truth") is not None and str(label) != str(sample["truth"])
            return f"{'✗ ' if wrong else ''}{plain(str(label))} {percent(score, 0)}"
        case answer:
            return answer_words(answer)


def log_words(logs: Sequence[str], printed: str) -> Text:
    """What a run said, and what its process printed besides."""
    lines = [Text(plain(line)) for line in logs]
    if printed:
        lines += [Text(), Text("printed by its process:", "bold")]
        lines += [Text(plain(line), "dim") for line in printed.splitlines()]
    return Text("\n").join(lines) if lines else Text("nothing was said", "dim italic")


def settings_words(settings: Mapping[str, Any]) -> RenderableType:
    """How a run is set, one setting a line."""
    table = plain_table("setting", "value")
    table.columns[1].justify = "left"
    for name, value in settings.items():
        table.add_row(Text(plain(name), "dim"), Text(setting_text(value)))
    return table


def comparison_words(found: Comparison, labels: Sequence[str]) -> RenderableType:
    """What several runs reached, the best in bold, and in what they were set differently."""
    metrics = plain_table("", *map(plain, labels))
    metrics.add_row(Text("state", "dim"), *(state_badge(run.standing) for run in found.runs))
    steps = (str(run.step) if run.step is not None else "–" for run in found.runs)
    metrics.add_row(Text("step", "dim"), *steps)
    for name, values in found.metrics.items():
        best = found.best(name)
        cells = (
            Text(human_number(value), "bold" if at in best else "")
            for at, value in enumerate(values)
        )
        metrics.add_row(Text(plain(name), "dim"), *cells)
    differ = plain_table("set differently", *map(plain, labels))
    for name, asked in found.settings.items():
        cells = (Text(clip(setting_text(value), 24)) for value in asked)
        differ.add_row(Text(plain(name), "dim"), *cells)
    same = Text(f"{found.same} settings are the same in all of them.", "dim")
    if not found.settings:
        return Group(metrics, Text(), same)
    return Group(metrics, Text(), differ, same)
