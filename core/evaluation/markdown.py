"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from core.evaluation.report import Report
from core.evaluation.shown import Cells, Passage
from core.evaluation.words import (
    BASELINE_WORDS,
    STEP_ERRORS,
    against_words,
    bootstrap_words,
    class_rates,
    differences,
    doubts_head,
    mistakes_head,
    number,
    rates_words,
    slice_mark,
    support_word,
)

_WIDEST_MATRIX = 20
_SHOWN_CONFUSIONS = 20
_SHOWN_WORDS = 100


def to_markdown(report: Report) -> str:
    """The report; text from data is shown, and nothing is read into it."""
    parts = [
        f"# {plain(report.model)} on {plain(report.dataset)}",
        f"{report.task}, judged on {report.rows:,} {report.example}s ({report.whose}), "
        f"target {plain(report.target)}.",
        *(f"> {plain(note)}" for note in report.notes),
        *_metrics(report),
        *_against(report),
        *_calibration(report),
        *_slices(report),
        *_confusion(report),
        *_classes(report),
        *_steps(report),
        *_residuals(report),
        *_mistakes(report),
        *_suspected(report),
        *_unreadable(report),
    ]
    return "\n\n".join(parts) + "\n"


def _metrics(report: Report) -> list[str]:
    rows = [
        [
            name,
            number(value),
            _reach(report.intervals.get(name)),
            number(report.baseline.get(name)),
            _reach(report.baseline_intervals.get(name)),
        ]
        for name, value in report.metrics.items()
    ]
    return [
        "## Metrics",
        _table(["metric", "model", "95 %", "baseline", "95 %"], rows),
        BASELINE_WORDS,
        bootstrap_words(report.bootstrap, report.example),
    ]


def _against(report: Report) -> list[str]:
    found = report.against
    if found is None:
        return []
    rows = [
        [
            name,
            *map(number, (own, other, each["difference"])),
            _reach(each["interval"]),
            number(each["p"]),
        ]
        for name, own, other, each in differences(report.metrics, found)
    ]
    head = ["metric", plain(report.model), plain(found["model"]), "difference", "95 %", "p"]
    parts = [
        f"## Against {plain(found['model'])}",
        plain(against_words(report.model, found)),
        _table(head, rows),
    ]
    if changed := found["changed"]:
        named = [
            [each["change"], _row(each), *(plain(each[key]) for key in ("truth", "before", "now"))]
            for each in changed
        ]
        parts += ["### Rows that changed", _table(["", "row", "truth", "before", "now"], named)]
    return parts


def _calibration(report: Report) -> list[str]:
    found = report.calibration
    if found is None:
        return []
    rows = [
        [
            f"{each['low']:.2f} to {each['high']:.2f}",
            f"{each['rows']:,}",
            number(each["confidence"]),
            number(each["accuracy"]),
        ]
        for each in found["bins"]
        if each["rows"]
    ]
    return [
        "## Reliability",
        f"Expected calibration error {number(found['error'])}, of the baseline"
        f" {number(found['baseline'])}: how far confidence lies from the share that is right.",
        _table(["confidence", "answers", "mean confidence", "right"], rows),
    ]


def _slices(report: Report) -> list[str]:
    rows = [
        [
            plain(each["by"]),
            plain(each["slice"]),
            f"{each['rows']:,}",
            number(each["metrics"].get(report.metric)),
            _reach(each["intervals"].get(report.metric)),
            number(each["baseline"].get(report.metric)),
            slice_mark(each),
        ]
        for each in report.slices
    ]
    head = ["by", "slice", f"{report.example}s", report.metric, "95 %", "baseline", ""]
    return ["## Slices", _table(head, rows)] if rows else []


def _confusion(report: Report) -> list[str]:
    found = report.details.get("confusion")
    if not found:
        return []
    labels, matrix = found["labels"], found["matrix"]
    if len(labels) <= _WIDEST_MATRIX:
        rows = [
            [plain(label), *map(str, counts)] for label, counts in zip(labels, matrix, strict=True)
        ]
        head = ["truth \\ answer", *map(plain, labels)]
        return ["## Confusion matrix", _table(head, rows)]
    wrong = [
        (count, labels[truth], labels[answer])
        for truth, counts in enumerate(matrix)
        for answer, count in enumerate(counts)
        if count and truth != answer
    ]
    wrong.sort(key=lambda each: -each[0])
    rows = [[plain(t), plain(a), str(n)] for n, t, a in wrong[:_SHOWN_CONFUSIONS]]
    return ["## Most frequent confusions", _table(["truth", "answer", "rows"], rows)]


def _classes(report: Report) -> list[str]:
    classes = report.details.get("per_class", [])
    rates = class_rates(classes)
    rows = [
        [
            plain(each["label"]),
            *(number(each[name]) for name in rates),
            str(int(each["support"])),
        ]
        for each in classes
    ]
    head = ["class", *(name.replace("_", " ") for name in rates), support_word(classes)]
    said = [f"{words}."] if (words := rates_words(report.details)) else []
    return ["## Classes", *said, _table(head, rows)] if rows else []


def _steps(report: Report) -> list[str]:
    rows = [
        [str(each["step"]), *(number(each[name]) for name in STEP_ERRORS)]
        for each in report.details.get("by_step", [])
    ]
    head = ["step ahead", *(name.replace("_", " ") for name in STEP_ERRORS)]
    return ["## Errors by step ahead", _table(head, rows)] if rows else []


def _residuals(report: Report) -> list[str]:
    found = report.details.get("residuals")
    if not found:
        return []
    rows = [["mean", number(found["mean"])], ["standard deviation", number(found["std"])]]
    rows += [[f"quantile {q}", number(value)] for q, value in found["quantiles"].items()]
    return ["## Errors (answer - truth)", _table(["", "value"], rows)]


def _mistakes(report: Report) -> list[str]:
    found = report.mistakes
    if not found:
        return []
    last, heading = mistakes_head(found)
    inputs = [_input(each) for each in found]
    shown = any(inputs)
    rows = [
        [
            _row(each),
            *([given] if shown else []),
            plain(each["truth"]),
            plain(each["answer"]),
            number(each[last]),
        ]
        for each, given in zip(found, inputs, strict=True)
    ]
    head = ["row", *(["input"] if shown else []), "truth", "answer", last]
    return [f"## {heading}", _table(head, rows)]


def _input(entry: dict[str, Any]) -> str:
    """An input in a few words; nothing for what words do not show."""
    match entry.get("input"):
        case Passage() as given:
            said = given.text
        case Cells() as given:
            said = ", ".join(f"{name} {value}" for name, value in given.values.items())
        case _:
            return ""
    return plain(said if len(said) <= _SHOWN_WORDS else said[: _SHOWN_WORDS - 1] + "…")


def _suspected(report: Report) -> list[str]:
    found = report.suspected
    if not (found and found["rows"]):
        return []
    rows = [
        [_row(each), plain(each["truth"]), plain(each["seems"]), number(each["margin"])]
        for each in found["labels"]
    ]
    said = (
        f"{doubts_head(found)} (confident learning, Northcutt et al. 2021), the most doubtful"
        " first."
    )
    return ["## Labels that seem wrong", said, _table(["row", "label", "seems", "by"], rows)]


def _unreadable(report: Report) -> list[str]:
    if not report.unreadable_rows:
        return []
    rows = [[str(each.rid), plain(each.where), plain(each.why)] for each in report.unreadable]
    said = f"{report.unreadable_rows:,} rows could not be read and count for nothing."
    return ["## Rows left out", said, _table(["row", "where", "why"], rows)]


def _row(entry: dict[str, Any]) -> str:
    return plain(entry.get("path", entry["_rid"]))


def _reach(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def plain(value: object) -> str:
    """Text from data, so that Markdown shows it and reads nothing into it."""
    if isinstance(value, float):
        return number(value)
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


# An underscore inside a word, as in a column's name, means nothing to Markdown.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#!|~&]|(?<!\w)_|_(?!\w))")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
