"""A report as one HTML file: light and dark, its charts and examples in it."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from core.evaluation import svg
from core.evaluation.page import page, safe, table
from core.evaluation.report import Report
from core.evaluation.shown import Cells, Course, Passage, Picture, Shown, Sound
from core.evaluation.words import (
    BASELINE_WORDS,
    STEP_ERRORS,
    against_words,
    bootstrap_words,
    class_rates,
    differences,
    mistakes_head,
    number,
    rates_words,
    slice_mark,
    support_word,
)

_WIDEST_MATRIX = 40
_SHADES = 9
_STANDS_OUT = {"better": "good", "worse": "bad", None: "dim"}


def to_html(report: Report) -> str:
    """The page; every text from data is escaped."""
    title = f"{report.model} on {report.dataset}"
    body = "\n".join(_parts(report, title))
    return page(title, body)


def _parts(report: Report, title: str) -> Iterator[str]:
    yield f"<h1>{safe(title)}</h1>"
    yield (
        f'<p class="dim">{safe(report.task)}, judged on {report.rows:,} {safe(report.example)}s'
        f" ({safe(report.whose)}), target {safe(report.target)}</p>"
    )
    for note in report.notes:
        yield f'<p class="note">{safe(note)}</p>'
    yield from _metrics(report)
    yield from _against(report)
    yield from _calibration(report)
    yield from _slices(report)
    yield from _confusion(report)
    yield from _classes(report)
    yield from _steps(report)
    yield from _residuals(report)
    yield from _examples(report)
    yield from _unreadable(report)


def _metrics(report: Report) -> Iterator[str]:
    rows = []
    for name, value in report.metrics.items():
        own, other = report.intervals.get(name), report.baseline_intervals.get(name)
        baseline = report.baseline.get(name)
        span = _span([value, baseline, *(own or ()), *(other or ())])
        chart = svg.reach(_finite(value), own, _finite(baseline), span)
        numbers = [number(value), _reach(own), chart, number(baseline), _reach(other)]
        rows.append([safe(name), *numbers])
    yield "<h2>Metrics</h2>"
    yield table(["metric", "model", "95 %", "", "baseline", "95 %"], rows)
    yield (
        f'<p class="dim">{BASELINE_WORDS}'
        f" {safe(bootstrap_words(report.bootstrap, report.example))}</p>"
    )


def _against(report: Report) -> Iterator[str]:
    found = report.against
    if found is None:
        return
    rows = [
        [
            safe(name),
            *map(number, (own, other, each["difference"])),
            _reach(each["interval"]),
            number(each["p"]),
        ]
        for name, own, other, each in differences(report.metrics, found)
    ]
    head = ["metric", safe(report.model), safe(found["model"]), "difference", "95 %", "p"]
    yield f"<h2>Against {safe(found['model'])}</h2>"
    yield f"<p>{safe(against_words(report.model, found))}</p>"
    yield table(head, rows)
    if found["changed"]:
        yield "<h3>Rows that changed</h3>"
        yield _cards(
            (each, [("truth", each["truth"]), ("before", each["before"]), ("now", each["now"])])
            for each in found["changed"]
        )


def _calibration(report: Report) -> Iterator[str]:
    found = report.calibration
    if found is None:
        return
    yield "<h2>Reliability</h2>"
    yield svg.reliability(found["bins"])
    yield (
        f'<p class="dim">Expected calibration error {number(found["error"])}, of the baseline'
        f" {number(found['baseline'])} (Guo et al. 2017). A point under the diagonal: surer than"
        " right. A larger point has more answers.</p>"
    )


def _slices(report: Report) -> Iterator[str]:
    if not report.slices:
        return
    name = report.metric
    whole = report.metrics.get(name)
    numbers: list[Any] = [whole]
    for each in report.slices:
        numbers += [each["metrics"].get(name), *(each["intervals"].get(name) or ())]
    span = _span(numbers)
    rows = []
    for each in report.slices:
        value, own = each["metrics"].get(name), each["intervals"].get(name)
        kind = _STANDS_OUT[each["than_all"]]
        mark = f'<span class="{kind}">{slice_mark(each)}</span>'
        chart = svg.reach(_finite(value), own, _finite(whole), span)
        count = f"{each['rows']:,}"
        base = number(each["baseline"].get(name))
        told = [count, number(value), _reach(own), chart, base, mark]
        rows.append([safe(each["by"]), safe(each["slice"]), *told])
    yield "<h2>Slices</h2>"
    head = ["by", "slice", f"{safe(report.example)}s", safe(name), "95 %", "", "baseline", ""]
    yield table(head, rows, texts=2)
    yield '<p class="dim">The ring is what the model reaches on all rows.</p>'


def _confusion(report: Report) -> Iterator[str]:
    found = report.details.get("confusion")
    if not found or len(found["labels"]) > _WIDEST_MATRIX:
        return
    labels, matrix = found["labels"], found["matrix"]
    rows = []
    for truth, (label, counts) in enumerate(zip(labels, matrix, strict=True)):
        whole = sum(counts) or 1
        cells = [
            f'<td class="q{round(_SHADES * count / whole)}{" hit" if truth == answer else ""}">'
            f"{count or '·'}</td>"
            for answer, count in enumerate(counts)
        ]
        rows.append([safe(label), *cells])
    yield "<h2>Confusion matrix</h2>"
    yield table(["truth ↓ answer →", *map(safe, labels)], rows)


def _classes(report: Report) -> Iterator[str]:
    classes = report.details.get("per_class", [])
    if not classes:
        return
    rates = class_rates(classes)
    rows = [
        [safe(each["label"]), *(number(each[name]) for name in rates), f"{int(each['support']):,}"]
        for each in classes
    ]
    yield "<h2>Classes</h2>"
    if words := rates_words(report.details):
        yield f'<p class="dim">{safe(words)}.</p>'
    head = ["class", *(name.replace("_", " ") for name in rates), support_word(classes)]
    yield table(head, rows)


def _steps(report: Report) -> Iterator[str]:
    rows = [
        [str(each["step"]), *(number(each[name]) for name in STEP_ERRORS)]
        for each in report.details.get("by_step", [])
    ]
    if rows:
        yield "<h2>Errors by step ahead</h2>"
        yield table(["step ahead", *(name.replace("_", " ") for name in STEP_ERRORS)], rows)


def _residuals(report: Report) -> Iterator[str]:
    found = report.details.get("residuals")
    if not found:
        return
    shape = found["histogram"]
    ends = [number(shape["edges"][0]), number(shape["edges"][-1])]
    rows = [["mean", number(found["mean"])], ["standard deviation", number(found["std"])]]
    rows += [[f"quantile {q}", number(value)] for q, value in found["quantiles"].items()]
    yield "<h2>Errors (answer - truth)</h2>"
    yield svg.histogram(shape["edges"], shape["counts"], ends)
    yield table(["", "value"], rows)


def _examples(report: Report) -> Iterator[str]:
    if report.mistakes:
        last, head = mistakes_head(report.mistakes)
        yield f"<h2>{head}</h2>"
        yield _cards(
            (each, [("truth", each["truth"]), ("answer", each["answer"]), (last, each[last])])
            for each in report.mistakes
        )
    if (doubts := report.suspected) and doubts["rows"]:
        yield "<h2>Labels that seem wrong</h2>"
        yield (
            f'<p class="dim">{doubts["rows"]:,} of {doubts["of"]:,} labels (confident learning,'
            " Northcutt et al. 2021), the most doubtful first.</p>"
        )
        yield _cards(
            (each, [("label", each["truth"]), ("seems", each["seems"]), ("by", each["margin"])])
            for each in doubts["labels"]
        )


def _cards(told: Iterable[tuple[dict[str, Any], list[tuple[str, Any]]]]) -> str:
    made = []
    for entry, facts in told:
        name = safe(entry.get("path") or f"row {entry['_rid']}")
        change = f" · {safe(entry['change'])}" if "change" in entry else ""
        listed = "".join(f"<dt>{safe(key)}</dt><dd>{_value(value)}</dd>" for key, value in facts)
        made.append(
            f"<figure>{_shown(entry.get('input'))}<figcaption>{name}{change}</figcaption>"
            f"<dl>{listed}</dl></figure>"
        )
    return f'<div class="cards">{"".join(made)}</div>'


def _shown(given: Shown | None) -> str:
    match given:
        case Picture():
            labels = [
                f"{'said' if each.said else 'truth'}: {safe(each.label)}" for each in given.boxes
            ]
            over = svg.boxes(given, labels) if given.boxes else ""
            image = f'<img alt="" src="{_data("image/png", given.png)}">'
            return f'<div class="picture">{image}{over}</div>'
        case Sound():
            player = (
                f'<audio controls preload="none" src="{_data("audio/wav", given.wav)}"></audio>'
            )
            return svg.wave(given) + player
        case Passage():
            return f'<p class="passage">{safe(given.text)}</p>'
        case Cells():
            pairs = given.values.items()
            listed = "".join(
                f"<dt>{safe(name)}</dt><dd>{safe(value)}</dd>" for name, value in pairs
            )
            return f"<dl>{listed}</dl><hr>"
        case Course():
            return svg.course(given)
    return '<p class="dim">(the input cannot be shown)</p>'


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _unreadable(report: Report) -> Iterator[str]:
    if report.unreadable_rows:
        rows = [[str(each.rid), safe(each.where), safe(each.why)] for each in report.unreadable]
        yield "<h2>Rows left out</h2>"
        yield f"<p>{report.unreadable_rows:,} rows could not be read and count for nothing.</p>"
        yield table(["row", "where", "why"], rows, texts=3)


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else safe(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _span(values: Sequence[float | None]) -> tuple[float, float]:
    known = [each for each in map(_finite, values) if each is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _reach(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{number(interval[0])} – {number(interval[1])}"
