"""What an evaluation found, and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from core.evaluation.shown import Cells, Course, Passage, Picture, Sound
from core.tasks.reading import Unreadable

if TYPE_CHECKING:
    from core.evaluation.bootstrap import Interval

FORMAT = 2
JSON = "report.json"
"""The file of it in a run's folder of artifacts."""


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
