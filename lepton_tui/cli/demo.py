"""`lepton demo`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from core.workspace import Workspace
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import put_json

app = single()


@app.command()
def demo(
    json: bool = typer.Option(False, "--json", help="Print what it made as one JSON document."),
) -> None:
    """Take real digits from files to a model that reads them, in under a minute."""
    from lepton_tui.demo import demo as whole_path

    if not json:
        whole_path(Workspace.open())
        return
    with redirect_stdout(sys.stderr):
        made = whole_path(Workspace.open())
    put_json(made)
