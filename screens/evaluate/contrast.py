"""What a report holds against each other: slices, two models, labels and what they seem."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.evaluation.words import (
    against_words,
    differences,
    doubts_head,
    row_name,
    slice_mark,
)
from core.tasks.base import ABBREVIATED
from screens.listing import called
from screens.tables import plain_table
from screens.text import human_count, human_number, plain, reach


def slices(report: dict[str, Any]) -> RenderableType:
    """The task's metric on parts of the rows, one table for each way to part them."""
    metric = report["metric"]
    made: list[RenderableType] = []
    for by, parts in groupby(report["slices"], lambda each: each["by"]):
        table = _named(plain_table("slice", f"{report['example']}s", called(metric), "95 %", ""))
        table.columns[-1].justify = "left"
        for each in parts:
            table.add_row(
                _clipped(each["slice"]),
                human_count(each["rows"]),
                human_number(each["metrics"].get(metric), 3),
                reach(each["intervals"].get(metric)),
                slice_mark(each),
            )
        made += [*([""] if made else []), Text(f"By {plain(by)}", "bold"), table]
    return Group(*made)


def against(report: dict[str, Any]) -> RenderableType:
    """Which of two models is better, by how much, and the rows that changed."""
    found = report["against"]
    table = plain_table("metric", "this", "that", "difference", "95 %")
    for name, own, other, each in differences(report["metrics"], found):
        table.add_row(
            Text(plain(ABBREVIATED.get(name, name))),
            *(human_number(value, 3) for value in (own, other, each["difference"])),
            reach(each["interval"]),
        )
    words = Text(plain(against_words(report["model"], found)))
    made: list[RenderableType] = [Text(f"Against {plain(found['model'])}", "bold"), words, table]
    if found["changed"]:
        made += ["", _changed(found["changed"])]
    return Group(*made)


def _changed(entries: list[dict[str, Any]]) -> Table:
    table = _named(plain_table("row", "truth", "before", "now", ""))
    for each in entries:
        table.add_row(
            _row(each),
            *(_value(each[key]) for key in ("truth", "before", "now")),
            Text(each["change"]),
        )
    return table


def suspected(report: dict[str, Any]) -> RenderableType:
    """The labels that the model doubts."""
    found = report["suspected"]
    table = _named(plain_table("row", "label", "seems", "by"))
    for each in found["labels"]:
        margin = human_number(each["margin"], 3)
        table.add_row(_row(each), _value(each["truth"]), _value(each["seems"]), margin)
    return Group(Text(doubts_head(found), "bold"), table)


def _named(table: Table) -> Table:
    """Where it is narrow the name in its first column gives way, and no number does."""
    table.columns[0].no_wrap = False
    return table


def _clipped(text: str) -> Text:
    return Text(plain(text), no_wrap=True, overflow="ellipsis")


def _row(entry: dict[str, Any]) -> Text:
    return _clipped(row_name(entry))


def _value(value: object) -> Text:
    return Text(human_number(value) if isinstance(value, float) else plain(str(value)))
