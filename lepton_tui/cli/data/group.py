"""The noun `data` and what its commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from core.workspace import Workspace
from lepton_tui.cli.groups import noun
from screens.text import plain

if TYPE_CHECKING:
    from core.data.lake.lake import Lake
    from core.data.lake.version import Version

app = noun("Bring data in, look at it, check it, change it, send it on.")

DATASET = typer.Argument(metavar="DATASET", help='A data set, "name" or "name@version".')
MOST_NAMED = 12
"""Of more columns than that, a line names the first."""
JSON = typer.Option(False, "--json", help="Print one JSON document.")


def open_lake() -> Lake:
    """The lake of the workspace that this command works in."""
    from core.data.lake.lake import Lake

    return Lake(Workspace.open())


def inputs_of(version: Version) -> str | None:
    """The columns that a version is predicted from, in a line."""
    if not version.inputs:
        return None
    more = len(version.inputs) - MOST_NAMED
    names = ", ".join(map(plain, version.inputs[:MOST_NAMED]))
    return f"{names} and {more:,} more" if more > 0 else names
