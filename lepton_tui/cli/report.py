"""A report of an evaluation, printed."""

from __future__ import annotations

from typing import Any

from core.evaluation.words import (
    STEP_ERRORS,
    against_words,
    bootstrap_words,
    class_rates,
    differences,
    doubts_head,
    mistakes_head,
    rates_words,
    row_name,
    slice_mark,
    support_word,
)
from lepton_tui.cli.output import BOLD, bar, in_pipe, note, put, styled, table, width
from screens.text import clip, counted, human_number, percent, plain, reach

LARGEST_MATRIX = 20
SHORTEST_LABEL = 6
SHOWN = 5
"""Rows that changed, mistakes and doubtful labels that are named; the report has more."""


def put_report(report: Any) -> None:
    """What a person wants to know first; the classes, and the matrix where that fits."""
    put(
        f"{report['model']} on {report['dataset']}, {report['split']}: "
        f"{counted(report['rows'], report['example'])}"
    )
    for text in report["notes"]:
        put(f"Note: {plain(text)}.")
    put()
    _metrics(report)
    _against(report)
    _slices(report)
    _classes(report)
    _steps(report)
    _matrix(report)
    _reliability(report)
    _mistakes(report)
    _suspected(report)


def _metrics(report: Any) -> None:
    table(
        ("metric", "model", "95 %", "baseline"),
        [
            (
                name,
                value,
                reach(report["intervals"].get(name)),
                report["baseline"].get(name),
            )
            for name, value in report["metrics"].items()
        ],
        whole=("metric", "95 %"),
    )
    if any(report["intervals"].values()):
        put(f"{bootstrap_words(report['bootstrap'], report['example'])}")


def _against(report: Any) -> None:
    found = report["against"]
    if not found:
        return
    _head(f"Against {plain(found['model'])}")
    table(
        ("metric", plain(report["model"]), plain(found["model"]), "difference", "95 %"),
        [
            (
                name,
                own,
                other,
                each["difference"],
                reach(each["interval"]),
            )
            for name, own, other, each in differences(report["metrics"], found)
        ],
        whole=("metric", "95 %"),
    )
    put(plain(against_words(report["model"], found)))
    if changed := found["changed"]:
        put()
        few = [
            each
            for change in dict.fromkeys(each["change"] for each in changed)
            for each in [one for one in changed if one["change"] == change][:SHOWN]
        ]
        table(
            ("", "row", "truth", "before", "now"),
            [
                (each["change"], row_name(each), *(each[key] for key in ("truth", "before", "now")))
                for each in few
            ],
        )
        _more(len(few), found["fixed"] + found["broken"])


def _slices(report: Any) -> None:
    if not report["slices"]:
        return
    metric = report["metric"]
    by = None
    for each in report["slices"]:
        if each["by"] == by:
            continue
        by = each["by"]
        _head(f"By {plain(by)}")
        table(
            ("slice", f"{report['example']}s", metric, "95 %", "baseline", ""),
            [
                (
                    one["slice"],
                    one["rows"],
                    one["metrics"].get(metric),
                    reach(one["intervals"].get(metric)),
                    one["baseline"].get(metric),
                    slice_mark(one),
                )
                for one in report["slices"]
                if one["by"] == by
            ],
            whole=("95 %", ""),
        )


def _classes(report: Any) -> None:
    per_class = report.get("per_class")
    if not per_class:
        return
    put()
    rates = class_rates(per_class)
    table(
        ("class", *(name.replace("_", " ") for name in rates), support_word(per_class)),
        [
            (each["label"], *(percent(each[name]) for name in rates), each["support"])
            for each in per_class
        ],
    )
    if words := rates_words(report):
        put(f"{words}.")


def _steps(report: Any) -> None:
    if by_step := report.get("by_step"):
        put()
        table(
            ("step ahead", *(name.replace("_", " ") for name in STEP_ERRORS)),
            [
                (each["step"], *(human_number(each[name]) for name in STEP_ERRORS))
                for each in by_step
            ],
        )


def _matrix(report: Any) -> None:
    confusion = report.get("confusion")
    if confusion and len(confusion["labels"]) <= LARGEST_MATRIX:
        put_matrix([plain(label) for label in confusion["labels"]], confusion["matrix"])


def put_matrix(labels: list[str], matrix: list[list[int]]) -> None:
    """How often each class was taken for each, its name as long as there is room for."""
    corner = "true ↓ said →"
    longest = max(map(len, labels))
    for most in range(longest, min(longest, SHORTEST_LABEL) - 1, -1):
        heads = [clip(label, most) for label in labels]
        counts = [max(len(str(row[at])) for row in matrix) for at in range(len(heads))]
        columns = [max(len(head), count) for head, count in zip(heads, counts, strict=True)]
        wide = max(len(corner), *map(len, heads)) + sum(columns) + 2 * len(columns)
        if wide <= width() or in_pipe():
            put()
            rows = zip(heads, matrix, strict=True)
            table((corner, *heads), [(head, *row) for head, row in rows], drops=())
            return
    note("Which class was taken for which has no room here: it is in the report.")


def _reliability(report: Any) -> None:
    found = report["calibration"]
    if not found:
        return
    _head("Reliability")
    table(
        ("confidence", "answers", "mean", "right", ""),
        [
            (
                f"{each['low']:.2f} to {each['high']:.2f}",
                each["rows"],
                percent(each["confidence"]),
                percent(each["accuracy"]),
                bar(each["accuracy"]),
            )
            for each in found["bins"]
            if each["rows"]
        ],
    )


def _mistakes(report: Any) -> None:
    found = report["mistakes"]
    if not found:
        return
    last, head = mistakes_head(found)
    _head(head)
    written = percent if last == "score" else human_number
    table(
        ("row", "truth", "answer", last, "input"),
        [
            (
                row_name(each),
                *(_value(each[key]) for key in ("truth", "answer")),
                written(each[last]),
                _input(each),
            )
            for each in found[:SHOWN]
        ],
    )
    _more(min(SHOWN, len(found)), len(found))


def _suspected(report: Any) -> None:
    found = report["suspected"]
    if not (found and found["rows"]):
        return
    _head(doubts_head(found))
    table(
        ("row", "label", "seems", "input"),
        [(row_name(each), each["truth"], each["seems"], _input(each)) for each in found["labels"]][
            :SHOWN
        ],
    )
    _more(min(SHOWN, len(found["labels"])), found["rows"])


def _head(text: str) -> None:
    put()
    put(styled(text, BOLD))


def _more(shown: int, whole: int) -> None:
    if whole > shown:
        put(f"and {whole - shown:,} more: see the report")


def _input(entry: Any) -> str:
    """An input in words; nothing for what words do not show."""
    given = entry.get("input")
    if isinstance(given, dict):
        return ", ".join(f"{name} {value}" for name, value in given.items())
    return given or ""


def _value(value: object) -> object:
    return human_number(value) if isinstance(value, float) else value
