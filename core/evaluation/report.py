"""What a person reads to judge a model: as JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.atomic import write_json, write_text

if TYPE_CHECKING:
    import numpy as np

    from core.tasks.base import Task

JSON_NAME = "report.json"
MARKDOWN_NAME = "report.md"
LARGEST_MATRIX = 20


@dataclass(frozen=True)
class Report:
    """A model judged on a split. `details` is what `Task.report` gives."""

    task: str
    model: str
    dataset: str
    split: str
    rows: int
    metric: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    created: str = ""

    @classmethod
    def of(
        cls,
        *,
        task: Task,
        model: str,
        dataset: str,
        split: str,
        outputs: np.ndarray[Any, Any],
        target: np.ndarray[Any, Any],
        ids: np.ndarray[Any, Any],
        baseline: dict[str, float],
        notes: Sequence[str] = (),
    ) -> Report:
        """Score outputs [n, outputs] against targets [n]; `ids` [n] name the rows."""
        details = task.report(outputs, target)
        for mistake in details.get("mistakes", ()):
            mistake["_rid"] = int(ids[mistake["row"]])
        return cls(
            task=task.name,
            model=model,
            dataset=dataset,
            split=split,
            rows=len(target),
            metric=task.metric,
            metrics=task.scores(outputs, target),
            baseline=baseline,
            details=details,
            notes=list(notes),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def write(self, folder: Path) -> None:
        """Write `report.json` and `report.md`."""
        write_json(folder / JSON_NAME, self.to_json())
        write_text(folder / MARKDOWN_NAME, self.markdown())

    def markdown(self) -> str:
        parts = [
            f"# {self.model} on {self.dataset}, {self.split} split",
            f"{self.rows:,} rows, {self.task}, judged {self.created}.",
            *(f"Note: {note}." for note in self.notes),
            _table(
                ["metric", "model", "baseline"],
                [
                    [name, f"{value:.4f}", f"{self.baseline.get(name, float('nan')):.4f}"]
                    for name, value in self.metrics.items()
                ],
            ),
        ]
        if per_class := self.details.get("per_class"):
            heads = list(per_class[0])
            rows = [[_cell(each[head]) for head in heads] for each in per_class]
            parts += ["## Classes", _table(heads, rows)]
        confusion = self.details.get("confusion")
        if confusion and len(confusion["labels"]) <= LARGEST_MATRIX:
            labels = [_cell(label) for label in confusion["labels"]]
            rows = [
                [f"**{label}**", *map(str, counts)]
                for label, counts in zip(labels, confusion["matrix"], strict=True)
            ]
            parts += ["## Confusion", "Rows are the truth, columns the answers."]
            parts.append(_table(["", *labels], rows))
        if mistakes := self.details.get("mistakes"):
            heads = [
                head
                for head in ("_rid", "truth", "answer", "score", "error")
                if head in mistakes[0]
            ]
            rows = [[_cell(each[head]) for head in heads] for each in mistakes]
            parts += ["## The surest mistakes", _table(heads, rows)]
        return "\n\n".join(parts) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
