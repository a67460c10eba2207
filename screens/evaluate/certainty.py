"""How sure a report is, and how sure its model: intervals, and the reliability of confidence."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from core.evaluation.words import bootstrap_words
from core.tasks.base import ABBREVIATED
from screens.tables import plain_table, scores_table, verdict
from screens.text import human_count, human_number, percent, plain, reach
from screens.widgets.bars import bar

BAR_WIDTH = 20


def scores(report: dict[str, Any]) -> RenderableType:
    """Each metric with its interval, beside its baseline; of an older report without intervals."""
    intervals = report.get("intervals")
    if not intervals:
        return scores_table(report["metrics"], report["baseline"])
    table = plain_table("metric", "model", "95 %", "baseline", "")
    for name, value in report["metrics"].items():
        other = report["baseline"].get(name)
        table.add_row(
            Text(plain(ABBREVIATED.get(name, name))),
            human_number(value, 3),
            reach(intervals.get(name)),
            human_number(other, 3),
            verdict(name, value, other)[:1],
        )
    words = bootstrap_words(report["bootstrap"], report["example"])
    return Group(table, Text(words, "dim"))


def reliability(report: dict[str, Any]) -> RenderableType:
    """The share of right answers by how sure they were; a mark where they should have been."""
    found = report["calibration"]
    table = plain_table("sure", "answers", "right", "")
    table.columns[-1].justify = "left"
    for each in found["bins"]:
        if each["rows"]:
            table.add_row(
                f"{each['low']:.2f} – {each['high']:.2f}",
                human_count(each["rows"]),
                percent(each["accuracy"]),
                _marked(each["accuracy"], each["confidence"]),
            )
    error, other = (human_number(found[name], 3) for name in ("error", "baseline"))
    head = f"Reliability: calibration error {error}, baseline {other}"
    return Group(
        Text(head, "bold"), table, Text("┃ is where the bar of an honest model ends", "dim")
    )


def _marked(right: float, sure: float) -> Text:
    drawn = bar(right, BAR_WIDTH)
    at = min(BAR_WIDTH - 1, int(sure * BAR_WIDTH))
    return Text(drawn[:at] + "┃" + drawn[at + 1 :])
