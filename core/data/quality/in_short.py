"""What a check found, in short: of what is alike in many columns the worst, the others counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from core.data.quality.finding import Finding, Severity

MOST_OF_A_KIND = 10
MOST_KEPT = 2000
"""Letters of a condition, or of a step, that a history keeps; one that names rows is longer."""


@dataclass(frozen=True)
class Others:
    """Findings of one kind, equally bad, behind the worst of them."""

    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        return self.findings[0].severity

    @property
    def what(self) -> str:
        """Of which kind, how many there are, and the first of their columns."""
        named = ", ".join(each.column or "" for each in self.findings[:MOST_OF_A_KIND])
        more = " …" if len(self.findings) > MOST_OF_A_KIND else ""
        kind, count = self.findings[0].kind, len(self.findings)
        return f"{kind} {count:,} time{'' if count == 1 else 's'} more: {named}{more}"


def in_short(findings: Sequence[Finding]) -> list[Finding | Others]:
    """The findings in their order; of more than ten of a kind, all behind the tenth are one."""
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.severity, finding.kind), []).append(finding)
    shown: list[Finding | Others] = []
    seen: dict[tuple[str, str], int] = {}
    for finding in findings:
        kind = finding.severity, finding.kind
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= MOST_OF_A_KIND:
            shown.append(finding)
        elif seen[kind] == MOST_OF_A_KIND + 1:
            shown.append(Others(tuple(alike[kind][MOST_OF_A_KIND:])))
    return shown


def for_history(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What a history keeps of a check: bounded, however many columns there are.

    Those that are told, and of the others how many ("others") and a digest of what they said
    ("digest"), by which the next check knows whether they are the same.
    """
    return [
        _others(each) if isinstance(each, Others) else _bounded(each.to_json())
        for each in in_short(findings)
    ]


def kept_in_short(kept: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a history kept, each in a line under what tells it from others.

    The first histories kept every finding; they are told as those of today.
    """
    whole = [Finding.from_json(each) for each in kept if "others" not in each]
    listed = [*for_history(whole), *(each for each in kept if "others" in each)]
    return {f"{said(each)} {each.get('digest', '')}": said(each) for each in listed}


def said(found: Finding | Others | Mapping[str, Any]) -> str:
    """A finding in a line; another number of rows makes another line."""
    if isinstance(found, Others):
        return f"{found.severity}: {found.what}"
    kept = vars(found) if isinstance(found, Finding) else found
    of = f"{kept['column']}: " if kept["column"] else ""
    return f"{kept['severity']}: {of}{kept['what']}"


def _others(others: Others) -> dict[str, Any]:
    lines = sorted(map(said, others.findings))
    first = others.findings[0]
    return {
        **Finding(
            others.severity,
            first.kind,
            None,
            max(each.rows for each in others.findings),
            what=others.what,
            hint=first.hint,
        ).to_json(),
        "others": len(others.findings),
        "digest": sha256("\n".join(lines).encode()).hexdigest(),
    }


def _bounded(kept: dict[str, Any]) -> dict[str, Any]:
    return kept | {
        name: None
        for name in ("mend", "condition")
        if kept[name] and len(json.dumps(kept[name])) > MOST_KEPT
    }
