"""Lists of runs, models and reports: one line each, kept in place while they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text
from textual import events
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from core.tasks.base import ABBREVIATED
from screens.text import fit, human_number, plain

_FROM = ("test/", "", "val/", "train/")


@dataclass(frozen=True)
class Line:
    """A line of a list: what is looked for, then facts at the right edge that never give way."""

    id: str
    name: str
    facts: tuple[str, ...] = ()


def headline(metrics: Mapping[str, float], metric: str | None) -> tuple[str, float] | None:
    """The `metric` that its task judges by, of the test split before validation; the first number
    where it is not among them."""
    for split in _FROM if metric else ():
        if isinstance(value := metrics.get(f"{split}{metric}"), int | float):
            return str(metric), float(value)
    return next(((n, float(v)) for n, v in metrics.items() if isinstance(v, int | float)), None)


def headline_text(metrics: Mapping[str, float], metric: str | None) -> str:
    """`accuracy 0.953`, or nothing when there is no metric yet."""
    found = headline(metrics, metric)
    return f"{called(found[0])} {human_number(found[1], 3)}" if found else ""


def headline_number(metrics: Mapping[str, float], metric: str | None) -> str:
    """The number of `headline_text` alone."""
    found = headline(metrics, metric)
    return human_number(found[1], 3) if found else ""


def called(metric: str) -> str:
    """What people call a metric: WER, accuracy, f1 macro."""
    split, slash, name = metric.rpartition("/")
    return f"{split}{slash}{ABBREVIATED.get(name) or name.replace('_', ' ')}"


class LineList(OptionList):
    """A framed list: arrow keys or a click move in it, Enter or a second click open."""

    DEFAULT_CSS = """
    LineList {
        border: round $panel; border-title-color: $text-muted; padding: 0;
        background: $background; height: 1fr; scrollbar-size-vertical: 1;
        &:focus { border: round $primary; border-title-color: $primary; }
    }
    """

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._shown: list[Line] = []

    @property
    def chosen(self) -> str | None:
        """The id of the line that the cursor is on."""
        option = self.highlighted_option
        return option.id if option else None

    def on_click(self, event: events.Click) -> None:
        # A click only points, as an arrow key does: looking at a line must not leave the screen.
        pointed = event.style.meta.get("option")
        if pointed is not None and pointed != self.highlighted:
            event.prevent_default()
            self.highlighted = pointed

    def draw(self, line: Line) -> Table | Text:
        """A line as the list has it."""
        return drawn(line)

    def show(self, lines: Sequence[Line], *, chosen: str | None = None) -> None:
        """Show these lines; the cursor stays on what it was on, or goes to `chosen`.

        Where only the words of a line change, only that line is drawn again: nothing jumps under
        the mouse.
        """
        before, self._shown = self._shown, list(lines)
        names = [line.id for line in lines]
        if [line.id for line in before] == names:
            for at, (old, new) in enumerate(zip(before, lines, strict=True)):
                if old != new:
                    self.replace_option_prompt_at_index(at, self.draw(new))
        else:
            chosen = chosen or self.chosen
            self.set_options([Option(self.draw(line), id=line.id) for line in lines])
            if chosen not in names:
                chosen = names[0] if names else None
        if chosen in names and self.chosen != chosen:
            self.highlighted = names.index(chosen)


class QuickList(LineList):
    """A list whose lines are others each time: they are laid out here, by the width there is now,
    for a table in each takes six times as long."""

    def draw(self, line: Line) -> Table | Text:
        facts = "".join(f" {plain(fact)}" for fact in line.facts if fact)
        room = max(self.scrollable_content_region.width - cell_len(facts), 1)
        return Text.assemble(fit(plain(line.name), room), (facts, "dim"), no_wrap=True)

    def on_resize(self) -> None:
        lines, self._shown = self._shown, []
        self.show(lines)


def drawn(line: Line) -> Table:
    """The line with its facts against the right edge; the name is cut before they are."""
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    facts = [Text(plain(fact), "dim") for fact in line.facts if fact]
    for _ in facts:
        grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text(plain(line.name)), *facts)
    return grid
