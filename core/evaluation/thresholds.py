"""What a model must reach, as `--fail-under accuracy=0.95` says it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import UsageError, nearest
from core.options import fraction
from core.runs.compare import lower_is_better

SUCH = "Such as: --fail-under accuracy=0.95"


@dataclass(frozen=True)
class Threshold:
    """The worst value of a metric that will do: the least, or the most where less is better."""

    metric: str
    value: float

    @classmethod
    def read(cls, text: str) -> Threshold:
        """From NAME=NUMBER; the number may be in percent.

        Raises:
            UsageError: it is not written so.
        """
        name, equals, number = (part.strip() for part in text.partition("="))
        if not (name and equals and number):
            raise UsageError(f'"{text}" names no metric and number', hint=SUCH)
        try:
            value = fraction(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(f'"{number}" is no number for {name}', hint=SUCH)
        return cls(name, value)

    def missed(self, report: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is missed, and by how much; None where it is reached. No number reaches nothing."""
        value = report["metrics"][self.metric]
        known = value is not None and math.isfinite(value)
        by = (self.value - value) * (-1 if lower_is_better(self.metric) else 1) if known else None
        if by is not None and by <= 0:
            return None
        reach = (report.get("intervals") or {}).get(self.metric)
        return {
            "metric": self.metric,
            "value": value,
            "threshold": self.value,
            "by": by,
            "within_interval": bool(reach and reach[0] <= self.value <= reach[1]),
        }


def read_thresholds(texts: Sequence[str]) -> list[Threshold]:
    """All that were asked for.

    Raises:
        UsageError: one is not written as it should be, or a metric is named twice.
    """
    found = [Threshold.read(text) for text in texts]
    names = [each.metric for each in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is named twice", hint="Name each metric once.")
    return found


def check_metrics(thresholds: Iterable[Threshold], known: Iterable[str], where: str) -> None:
    """Whether there are such metrics.

    Raises:
        UsageError: there is one that nobody knows.
    """
    names = [*known]
    for each in thresholds:
        if each.metric not in names:
            hint = nearest(each.metric, names)
            raise UsageError(f'there is no metric "{each.metric}"', where=where, hint=hint)
