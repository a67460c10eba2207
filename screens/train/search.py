"""What a search of settings has found, in words: what mattered, the best, and every trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from core.tuning.outcome import Outcome, Trial
from screens.listing import called
from screens.tables import plain_table
from screens.text import human_duration, human_number, percent, plain
from screens.train.lines import short
from screens.widgets.bars import bar

BAR_WIDTH = 20
GAP = 2
"""Between two columns of a table."""


def search_words(outcome: Outcome | None) -> RenderableType:
    """The settings that mattered, the best ones, and the trials from the best to the worst."""
    if outcome is None:
        return Text("no trial has ended yet", "dim italic")
    return Group(*_best(outcome), *_importance(outcome), _trials(outcome))


def tried_words(params: Mapping[str, Any]) -> str:
    """lr=0.00316 batch_size=32."""
    return " ".join(f"{plain(name)}={_value(value)}" for name, value in params.items())


def _value(value: object) -> str:
    return human_number(value, 3) if isinstance(value, float) else plain(str(value))


def _best(outcome: Outcome) -> list[RenderableType]:
    best = outcome.best
    if best is None:
        return [Text("no trial has come to its end yet", "dim italic"), Text()]
    reached = f"{called(outcome.metric)} {human_number(best.value)}"
    said = Text.assemble((f"★ the best is trial {best.number}: {reached}", "bold"))
    said.append(f"\n  {tried_words(best.params)}")
    if outcome.model:
        said.append(f"\n  its model: {plain(outcome.model)}")
    said.append(f"\n  train with its settings: lepton train --config {short(best.run)}", "dim")
    return [said, Text()]


def _importance(outcome: Outcome) -> list[RenderableType]:
    if not outcome.importance:
        return [Text("what mattered is told when enough trials have come to their end", "dim"), ""]
    table = Table.grid(padding=(0, 1))
    for name, share in sorted(outcome.importance.items(), key=lambda each: -each[1]):
        table.add_row(Text(plain(name)), bar(share, BAR_WIDTH), percent(share, 0))
    return [Text("what mattered", "bold"), table, Text()]


def _trials(outcome: Outcome) -> RenderableType:
    ranked = outcome.ranked
    names = list(dict.fromkeys(name for trial in ranked for name in trial.params))
    names.sort(key=lambda name: -outcome.importance.get(name, 0.0))
    columns = [
        ("trial", [str(trial.number) for trial in ranked]),
        (called(outcome.metric), [human_number(trial.value) for trial in ranked]),
        ("took", [human_duration(trial.seconds) for trial in ranked]),
    ]
    columns += [
        (plain(name), [_value(trial.params.get(name, "")) for trial in ranked]) for name in names
    ]
    return Trials(columns, [_ended(trial) for trial in ranked])


class Trials:
    """Columns that are never cut: those that find no room stand beneath, beside the first one.

    How a trial ended that did not come to its end is said last, as far as there is room.
    """

    def __init__(self, columns: list[tuple[str, list[str]]], ended: list[str]) -> None:
        self.columns = columns
        self.ended = ended

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        key, *rest = self.columns
        while rest:
            room = options.max_width - _wide(key)
            shown = [rest.pop(0)]
            room -= GAP + _wide(shown[0])
            while rest and (room := room - GAP - _wide(rest[0])) >= 0:
                shown.append(rest.pop(0))
            yield self._table([key, *shown], ended=not rest)
            if rest:
                yield Text()

    def _table(self, columns: list[tuple[str, list[str]]], *, ended: bool) -> Table:
        table = plain_table(*(head for head, _ in columns), *([""] if ended else []))
        for at, (head, cells) in enumerate(columns):
            table.columns[at].min_width = _wide((head, cells))
        if ended:
            table.columns[-1].justify = "left"
        for at, why in enumerate(self.ended):
            row = [cells[at] for _, cells in columns]
            table.add_row(*row, *([Text(why, "dim")] if ended else []))
        return table


def _wide(column: tuple[str, list[str]]) -> int:
    return max(map(cell_len, (column[0], *column[1])))


def _ended(trial: Trial) -> str:
    """How a trial ended that did not come to its end."""
    if trial.state == "complete":
        return ""
    return f"{trial.state}: {plain(trial.why)}" if trial.why else trial.state
