"""A report's parts as text and tables."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.evaluation.words import (
    class_rates,
    mistakes_head,
    rates_words,
    row_name,
    support_word,
)
from screens.listing import called
from screens.tables import plain_table
from screens.text import counted, human_count, human_duration, human_number, percent, plain
from screens.widgets.bars import bar

HISTOGRAM_WIDTH = 24
STEP_WIDTH = 16


def title(report: dict[str, Any]) -> Text:
    """What was judged on what, and what a person should know about it."""
    rows = "all rows" if report["split"] == "all" else f"{report['split']} split"
    said = Text.assemble(
        (f"{plain(report['model'])} on {plain(report['dataset'])}", "bold"),
        (f"\n{rows}, {counted(report['rows'], report.get('example', 'row'))} · target ", "dim"),
        (plain(report["target"]), "dim"),
        (f" · took {human_duration(report.get('seconds'))}", "dim"),
    )
    for note in report.get("notes", ()):
        said.append(f"\n! {plain(note)}")
    if left_out := report.get("unreadable_rows"):
        first = report["unreadable"][0]
        said.append(
            f"\n! {counted(left_out, 'row')} not readable; the first is row "
            f"{first['rid']}: {plain(first['why'])}"
        )
    return said


def classes_table(report: dict[str, Any]) -> RenderableType:
    """Precision, recall and the like of each class; for numbers, how the answers miss."""
    if residuals := report.get("residuals"):
        ahead = [_steps(by_step), ""] if (by_step := report.get("by_step")) else []
        return Group(*ahead, _residuals(residuals))
    classes = report.get("per_class")
    if not classes:
        return Text()
    rates = class_rates(classes)
    table = plain_table("class", *map(called, rates), support_word(classes))
    # Where it is narrow a name gives way, and no number does.
    table.columns[0].no_wrap = False
    for each in classes:
        table.add_row(
            Text(plain(str(each["label"])), no_wrap=True, overflow="ellipsis"),
            *(percent(each[name]) for name in rates),
            human_count(int(each["support"])),
        )
    words = rates_words(report)
    return Group(table, Text(f"{words}.", "dim")) if words else table


def _steps(by_step: list[dict[str, Any]]) -> RenderableType:
    """How far the answers miss, by how far ahead they look."""
    table = plain_table("step", "mean error", "scaled", "")
    table.columns[-1].justify = "left"
    most = max((each["mean_absolute_error"] or 0.0 for each in by_step), default=0.0) or 1.0
    for each in by_step:
        error = each["mean_absolute_error"]
        shown = bar((error or 0.0) / most, STEP_WIDTH)
        scaled = human_number(each["mean_absolute_scaled_error"])
        table.add_row(f"{each['step']} ahead", human_number(error), scaled, shown)
    return table


def _residuals(residuals: dict[str, Any]) -> RenderableType:
    """Mean, spread and distribution of answer minus truth."""
    table = plain_table("answer - truth", "")
    table.add_row("mean", human_number(residuals["mean"]))
    table.add_row("standard deviation", human_number(residuals["std"]))
    for share, value in residuals["quantiles"].items():
        table.add_row(f"{percent(float(share), 0)} are below", human_number(value))
    counts = residuals["histogram"]["counts"]
    edges = residuals["histogram"]["edges"]
    most = max(counts, default=0) or 1
    shape = Table.grid(padding=(0, 1))
    shape.add_column(justify="right", no_wrap=True)
    shape.add_column(no_wrap=True)
    shape.add_column(justify="right", no_wrap=True)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        middle = human_number((low + high) / 2, 3)
        shape.add_row(middle, bar(count / most, HISTOGRAM_WIDTH), str(count))
    return Group(table, "", shape)


def mistakes_table(
    report: dict[str, Any], cell: tuple[str, str, int] | None = None
) -> RenderableType:
    """The worst mistakes, or those of one cell of the matrix: (true, said, how many)."""
    found = report.get("mistakes") or []
    if cell is not None:
        true, said, count = cell
        if true == said:
            return Text(f"{counted(count, 'row')} of {true} answered right.", "bold")
        pair = (true, said)
        found = [m for m in found if (plain(str(m["truth"])), plain(str(m["answer"]))) == pair]
        head = f"{counted(count, 'row')} of {true} taken for {said}"
        if not found:
            rest = ": none is among the mistakes that the report names." if count else "."
            return Text(head + rest, "bold")
        if len(found) < count:
            head += f", {len(found)} of them among the worst mistakes"
    else:
        head = ""
    if not found:
        return Text("No mistakes.", "bold")
    last, heading = mistakes_head(found)
    table = plain_table("row", "truth", "answer", last)
    for each in found:
        value = each[last]
        table.add_row(
            Text(plain(row_name(each))),
            _value(each["truth"]),
            _value(each["answer"]),
            percent(value) if last == "score" else human_number(value),
        )
    return Group(Text(head or heading, "bold"), table)


def _value(value: object) -> Text:
    return Text(human_number(value) if isinstance(value, float) else plain(str(value)))
