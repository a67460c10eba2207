"""`lepton data check`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.output import put, put_json
from screens.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.data.quality.check import Finding


LONGEST_STEP = 500


@app.command()
def check(
    dataset: str = DATASET,
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    json: bool = JSON,
) -> None:
    """Look for what would spoil training, and name the rows."""
    from core.data.quality.check import check as check_of

    with open_lake().open(dataset) as view:
        findings = check_of(view, target)
    if json:
        put_json([finding.to_json() for finding in findings])
        return
    put_findings(findings, dataset)


def put_findings(findings: Sequence[Finding], dataset: str) -> None:
    """What a check found, worst first, each with what to do and the command that does it."""
    from core.data.quality.finding import command_of

    if not findings:
        put("Nothing is wrong that the check knows to look for.")
    for finding in findings:
        of = f"{finding.column}: " if finding.column else ""
        put(f"{finding.severity:<8} {plain(of + finding.what)}")
        if finding.hint:
            put(f"{'':<8} {plain(finding.hint)}")
        if finding.examples:
            shown = ", ".join(map(str, finding.examples[:8]))
            put(f"{'':<8} rows {shown}{' …' if len(finding.examples) > 8 else ''}")
        step = command_of(finding.mend) if finding.mend else None
        if step is not None and len(step) <= LONGEST_STEP:
            put(f"{'':<8} {plain(f'lepton data clean {dataset} --step {shlex.quote(step)}')}")
