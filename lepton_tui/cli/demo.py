"""`lepton demo`."""

from __future__ import annotations

from core.workspace import Workspace
from lepton_tui.cli.groups import single

app = single()


@app.command()
def demo() -> None:
    """Take real digits from files to a model that reads them, in under a minute."""
    from lepton_tui.demo import demo as whole_path

    whole_path(Workspace.open())
