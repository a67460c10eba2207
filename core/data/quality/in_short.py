"""What a check found, in short: of what is alike in many columns the worst, the others counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.data.quality.finding import Finding, Severity

MOST_OF_A_KIND = 10


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
