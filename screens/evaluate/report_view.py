"""A report's parts as tables."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from screens.text import human_count, human_number, percent, plain


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=True)
    return table


def scores_table(report: dict[str, Any]) -> RenderableType:
    """Each metric beside its baseline."""
    table = _table("metric", "model", "baseline")
    for name, value in report["metrics"].items():
        baseline = report["baseline"].get(name)
        table.add_row(Text(plain(name)), human_number(value), human_number(baseline))
    return table


def classes_table(report: dict[str, Any]) -> RenderableType:
    """Precision, recall and F1 of each class; for numbers, how the answers miss."""
    if residuals := report.get("residuals"):
        table = _table("residual", "value")
        for name in ("mean", "std"):
            if isinstance(residuals.get(name), int | float):
                table.add_row(name, human_number(residuals[name]))
        return table
    table = _table("class", "precision", "recall", "f1", "rows")
    for each in report.get("per_class", ()):
        table.add_row(
            Text(plain(str(each["label"]))),
            percent(each["precision"]),
            percent(each["recall"]),
            percent(each["f1"]),
            human_count(int(each["support"])),
        )
    return table


def mistakes_table(report: dict[str, Any], true: str, said: str, count: int) -> RenderableType:
    """The rows of one class that the model took for another, the surest first."""
    head = Text(f"{count} rows of {true} taken for {said}", "bold")
    if true == said:
        return Text(f"{count} rows of {true} were right", "bold")
    table = _table("row", "score")
    for each in report.get("mistakes", ()):
        if plain(str(each["truth"])) == true and plain(str(each["answer"])) == said:
            table.add_row(str(each["_rid"]), percent(each.get("score")))
    return Group(head, table)
