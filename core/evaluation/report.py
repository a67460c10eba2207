"""What an evaluation found: as JSON for programs, as Markdown and HTML for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.atomic import write_json, write_text
from core.evaluation.shown import Cells, Course, Passage, Picture, Sound
from core.tasks.reading import Unreadable

if TYPE_CHECKING:
    from core.evaluation.bootstrap import Interval

JSON = "report.json"
MARKDOWN = "report.md"
HTML = "report.html"
FORMAT = 2
STEP_ERRORS = ("mean_absolute_error", "mean_absolute_scaled_error")
"""What is told of each step ahead, as "by_step" of a report has it."""


@dataclass(frozen=True)
class Report:
    """A judged model. `metrics` and `baseline` have scikit-learn's names, and `loss`.

    `details` is what the task alone has to say (`Task.report`); in JSON its keys stand beside the
    others.
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
    intervals: dict[str, Interval]
    """Where each metric would lie on other rows like these; None where that cannot be told."""
    baseline_intervals: dict[str, Interval]
    bootstrap: dict[str, Any]
    """How the intervals were found (`bootstrap.Plan`)."""
    details: dict[str, Any]
    mistakes: list[dict[str, Any]]
    """The worst answers, the worst first: "_rid", perhaps "path", "truth", "answer", "score" (how
    sure the model was) or "error", and "input"."""
    calibration: dict[str, Any] | None = None
    """"error", that of the "baseline", and the "bins" of the reliability diagram."""
    slices: list[dict[str, Any]] = field(default_factory=list)
    """The metrics on parts of the rows (`slices.sliced`)."""
    suspected: dict[str, Any] | None = None
    """Labels that seem wrong (`mistakes.suspected`)."""
    against: dict[str, Any] | None = None
    """The "model" it is held against, and how they differ (`against.compared`)."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """The first rows that could not be read; `unreadable_rows` counts them all."""
    unreadable_rows: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    example: str = "row"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, in the order in which it is declared; no number is None."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        details = own.pop("details")
        plain: dict[str, Any] = _plain({"format": FORMAT, **own, **details})
        return plain

    @property
    def whose(self) -> str:
        """Which rows it was judged on, in words."""
        return "all rows" if self.split == "all" else f"the {self.split} split"

    def save(self, folder: Path) -> dict[str, str]:
        """Write all forms; their paths under "json", "markdown" and "html"."""
        from core.evaluation.html import to_html
        from core.evaluation.markdown import to_markdown

        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / JSON, self.to_json())
        write_text(folder / MARKDOWN, to_markdown(self))
        write_text(folder / HTML, to_html(self))
        names = {"json": JSON, "markdown": MARKDOWN, "html": HTML}
        return {form: str(folder / name) for form, name in names.items()}


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case Picture() | Sound() | Passage() | Cells() | Course():
            return value.words
        case Unreadable():
            return {each.name: getattr(value, each.name) for each in fields(value)}
    return value


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


BASELINE_WORDS = (
    "The baseline has learnt nothing: it gives what is commonest among the training rows, their"
    " mean, or what was there before."
)


def row_name(entry: Mapping[str, Any]) -> str:
    """A row by its path, where it has one, or by its number."""
    return str(entry.get("path") or entry["_rid"])


def mistakes_head(mistakes: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The number that stands beside each mistake, "score" or "error", and what heads them."""
    sure = "score" in mistakes[0]
    return ("score", "Most confident mistakes") if sure else ("error", "Worst mistakes")


def doubts_head(found: Mapping[str, Any]) -> str:
    """How many labels seem wrong."""
    one = found["rows"] == 1
    return (
        f"{found['rows']:,} {'label' if one else 'labels'} of {found['of']:,}"
        f" {'seems' if one else 'seem'} wrong"
    )


def differences(
    metrics: Mapping[str, float], found: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, float, Mapping[str, Any]]]:
    """Each metric of a comparison: its name, of the model, of the other one, and how they differ
    ("difference", "interval", "p")."""
    for name, each in found["differences"].items():
        yield name, metrics.get(name), found["metrics"][name], each


def bootstrap_words(plan: Mapping[str, Any], example: str) -> str:
    """How the intervals of a report were found."""
    what = f"{example}s" if plan["block"] == 1 else f"blocks of {plan['block']} {example}s"
    return (
        f"The intervals hold the middle {plan['confidence']:.0%} of {plan['draws']:,} draws of"
        f" {what} with replacement (percentile bootstrap, seed {plan['seed']})."
    )


def against_words(model: str, found: Mapping[str, Any]) -> str:
    """Which of two models is better, and how sure that is."""
    test = found["test"]
    sure = f"{test['name']} of {test['metric']}, p {test['p']:.2g}"
    if found["verdict"] is None:
        said = f"These rows show no difference between {model} and {found['model']} ({sure})."
    else:
        said = f"{model} is {found['verdict']} than {found['model']} ({sure})."
    if found["fixed"] is None:
        return f"{said} Their rows cannot be paired."
    return f"{said} {found['fixed']:,} answers fixed, {found['broken']:,} broken."


def slice_mark(part: Mapping[str, Any]) -> str:
    """What stands out about a slice, in words."""
    if part["few"]:
        return "too few to say"
    return f"{part['than_all']} than all" if part["than_all"] else ""


def number(value: float | None) -> str:
    """A number as a page of the report shows it; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
