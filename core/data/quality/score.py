"""One number for how good a version is, and a check of a version as a whole with its rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.check import check
from core.data.quality.finding import Finding, worst_first
from core.data.quality.in_short import for_history
from core.data.quality.keeping import RULE, check_rules

WEIGHT = {"error": 0.4, "warning": 0.15, "info": 0.03}
PRESENT = 1 / 3
TYPICAL = 10
"""Columns of a table in which every finding counts whole."""
# Training splits what is not split; the rows are as good.
UNSCORED = frozenset({"unsplit"})
CHECK = "check"


def score(findings: Sequence[Finding], rows: int, columns: int) -> float:
    """How good a version of so many rows and columns is, from 0 to 100 with one decimal.

    It starts at 100, and each finding takes away a part of what is left: up to 40 % for an error,
    15 % for a warning, 3 % for the rest. A third of that is for being there, the other two thirds
    grow with the share of the rows that it is about. What is found of a kind in a table of more
    than ten columns counts as much as it would in ten with the same share of them. That no row is
    in a split costs nothing.
    """
    kinds: dict[tuple[str, str], list[float]] = {}
    for finding in findings:
        if finding.kind not in UNSCORED:
            share = min(1.0, finding.rows / max(rows, 1))
            part = WEIGHT[finding.severity] * (PRESENT + (1 - PRESENT) * share)
            kinds.setdefault((finding.severity, finding.kind), []).append(math.log1p(-part))
    left = 100.0
    for taken in kinds.values():
        wide = min(1.0, TYPICAL / max(columns, 1))
        left *= math.exp(min(*taken, sum(taken) * wide))
    return round(left, 1)


@dataclass(frozen=True)
class Checked:
    """What a check of a version found, worst first, failed rules among it, and its score."""

    version: Version
    findings: tuple[Finding, ...]

    @property
    def score(self) -> float:
        return score(self.findings, self.version.rows, len(self.version.columns))

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The rules that failed."""
        return tuple(finding for finding in self.findings if finding.kind == RULE)

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.version.ref,
            "rows": self.version.rows,
            "score": self.score,
            "failed_rules": len(self.failed),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_version(
    lake: Lake,
    ref: str | Version,
    target: str | None = None,
    against: str | Version | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Checked:
    """Check a version, its rules included. `against` names one that it is compared with.

    Raises:
        UsageError: no such version or column, or a rule that cannot be.
        LeptonError: a file of a version is missing.
        Cancelled: `should_stop` said so.
    """
    with lake.open(ref) as view:
        failed = check_rules(lake, view, None, should_stop)
        if against is None:
            found = check(view, target, None, should_stop)
        else:
            with lake.open(against) as other:
                found = check(view, target, other, should_stop)
        return Checked(view.version, tuple(worst_first([*failed, *found])))


def note(lake: Lake, checked: Checked, kind: str = CHECK) -> None:
    """Write a check into the history of its data set."""
    lake.quality.note(checked.version, kind, checked.score, for_history(checked.findings))
