"""What an evaluation found, as JSON for programs and as Markdown for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.atomic import write_json, write_text
from core.tasks.reading import Unreadable

JSON = "report.json"
MARKDOWN = "report.md"
STEP_ERRORS = ("mean_absolute_error", "mean_absolute_scaled_error")
"""What is told of each step ahead, as "by_step" of a report has it."""
_WIDEST_MATRIX = 20
_SHOWN_CONFUSIONS = 20


@dataclass(frozen=True)
class Report:
    """A judged model. `metrics` and `baseline` have scikit-learn's names, and `loss`.

    `details` has, where they make sense: "confusion" {"labels", "matrix" (row = truth, column =
    answer)}, "per_class" [{"label", "precision", "recall", "f1", "support", and perhaps
    "average_precision"}], "per_class_of" (which answers the rates are of, in words), "by_step"
    [{"step", and the errors that far ahead}], "residuals" and "mistakes" [{"_rid", "truth",
    "answer", "score" or "error"}], the worst first.
    """

    model: str
    task: str
    dataset: str
    target: str
    split: str
    """The rows it was judged on; "all" for a data set that is not split."""
    rows: int
    """How many examples it was judged on; each is what `example` says."""
    metrics: dict[str, float]
    baseline: dict[str, float]
    """The same metrics for the task's baseline, which has learnt nothing (`Task.naive`)."""
    metric: str
    """The one of them that says how good the model is (`Task.metric`)."""
    details: dict[str, Any]
    unreadable: list[Unreadable] = field(default_factory=list)
    """The first rows that could not be read; `unreadable_rows` counts them all."""
    unreadable_rows: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    example: str = "row"

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self)
        details = plain.pop("details")
        return {**plain, **details}

    def save(self, folder: Path) -> dict[str, str]:
        """Write both forms; their paths under "json" and "markdown"."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / JSON, self.to_json())
        write_text(folder / MARKDOWN, self.to_markdown())
        return {"json": str(folder / JSON), "markdown": str(folder / MARKDOWN)}

    def to_markdown(self) -> str:
        whose = "all rows" if self.split == "all" else f"the {self.split} split"
        parts = [
            f"# {plain(self.model)} on {plain(self.dataset)}",
            f"{self.task}, judged on {self.rows:,} {self.example}s ({whose}), "
            f"target {plain(self.target)}.",
            *(f"> {plain(note)}" for note in self.notes),
            "## Metrics",
            _table(
                ["metric", "model", "baseline"],
                [
                    [name, _number(value), _number(self.baseline.get(name))]
                    for name, value in self.metrics.items()
                ],
            ),
            "The baseline has learnt nothing: it gives what is commonest among the training rows,"
            " their mean, or what was there before.",
            *self._confusion(),
            *self._classes(),
            *self._steps(),
            *self._residuals(),
            *self._mistakes(),
            *self._unreadable(),
        ]
        return "\n\n".join(parts) + "\n"

    def _confusion(self) -> list[str]:
        found = self.details.get("confusion")
        if not found:
            return []
        labels, matrix = found["labels"], found["matrix"]
        if len(labels) <= _WIDEST_MATRIX:
            rows = [
                [plain(label), *map(str, counts)]
                for label, counts in zip(labels, matrix, strict=True)
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

    def _classes(self) -> list[str]:
        classes = self.details.get("per_class", [])
        rates = class_rates(classes)
        rows = [
            [
                plain(each["label"]),
                *(_number(each[name]) for name in rates),
                str(int(each["support"])),
            ]
            for each in classes
        ]
        head = ["class", *(name.replace("_", " ") for name in rates), support_word(classes)]
        said = [f"{words}."] if (words := rates_words(self.details)) else []
        return ["## Classes", *said, _table(head, rows)] if rows else []

    def _steps(self) -> list[str]:
        rows = [
            [str(each["step"]), *(_number(each[name]) for name in STEP_ERRORS)]
            for each in self.details.get("by_step", [])
        ]
        head = ["step ahead", *(name.replace("_", " ") for name in STEP_ERRORS)]
        return ["## Errors by step ahead", _table(head, rows)] if rows else []

    def _residuals(self) -> list[str]:
        found = self.details.get("residuals")
        if not found:
            return []
        rows = [["mean", _number(found["mean"])], ["standard deviation", _number(found["std"])]]
        rows += [[f"quantile {q}", _number(value)] for q, value in found["quantiles"].items()]
        return ["## Errors (answer - truth)", _table(["", "value"], rows)]

    def _mistakes(self) -> list[str]:
        found = self.details.get("mistakes")
        if not found:
            return []
        last = "score" if "score" in found[0] else "error"
        rows = [
            [
                plain(each.get("path", each["_rid"])),
                plain(each["truth"]),
                plain(each["answer"]),
                _number(each[last]),
            ]
            for each in found
        ]
        return ["## Worst mistakes", _table(["row", "truth", "answer", last], rows)]

    def _unreadable(self) -> list[str]:
        if not self.unreadable_rows:
            return []
        rows = [[str(each.rid), plain(each.where), plain(each.why)] for each in self.unreadable]
        said = f"{self.unreadable_rows:,} rows could not be read and count for nothing."
        return ["## Rows left out", said, _table(["row", "where", "why"], rows)]


def class_rates(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is told of each class, as "per_class" of a report has it."""
    known = classes[0] if classes else {}
    return [name for name in ("average_precision", "precision", "recall", "f1") if name in known]


def rates_words(report: Mapping[str, Any]) -> str:
    """Which answers the rates of the classes are of; nothing where they are of all."""
    of = report.get("per_class_of")
    return f"Precision, recall and F1 are of {of}" if of else ""


def support_word(classes: Sequence[Mapping[str, Any]]) -> str:
    """What a class has so many of: rows, or objects in them."""
    return "objects" if "average_precision" in class_rates(classes) else "rows"


def plain(value: object) -> str:
    """Text from data, so that Markdown shows it and reads nothing into it."""
    if isinstance(value, float):
        return _number(value)
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


# An underscore inside a word, as in a column's name, means nothing to Markdown.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#!|~&]|(?<!\w)_|_(?!\w))")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
