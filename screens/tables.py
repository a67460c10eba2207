"""Small tables that more than one screen shows."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from core.runs.compare import lower_is_better
from screens.text import human_number, plain


def plain_table(*heads: str) -> Table:
    """A table without lines; the first column is words, the others stand at their right edge."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=True)
    return table


def beside(mark: Text, words: Text, width: int | None = None) -> Table:
    """Words that go on beside what stands before them, and not under it."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=width, no_wrap=True)
    # Folded, for else rich cuts a line that ends in letters of double width at the very edge.
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(mark, words)
    return grid


def scores_table(metrics: Mapping[str, float], baseline: Mapping[str, float]) -> Table:
    """Each metric beside its baseline, and in words which of them is better."""
    if not baseline:
        table = plain_table("metric", "model")
        for name, value in metrics.items():
            table.add_row(Text(plain(name)), human_number(value))
        return table
    table = plain_table("metric", "model", "baseline", "")
    for name, value in metrics.items():
        other = baseline.get(name)
        row = (Text(plain(name)), human_number(value), human_number(other))
        table.add_row(*row, verdict(name, value, other))
    return table


def verdict(name: str, value: float | None, baseline: float | None) -> str:
    """Which of the two is better, in a sign and words."""
    if value is None or baseline is None:
        return ""
    if value == baseline:
        return "= the same"
    return "▲ better" if (value < baseline) == lower_is_better(name) else "▼ worse"
