"""`lepton data versions`, `rm`."""

from __future__ import annotations

import typer

from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.output import confirm, note, put_json, table
from screens.text import human_bytes


@app.command()
def versions(
    name: str = typer.Argument(metavar="DATASET", help="A data set's name."), json: bool = JSON
) -> None:
    """List a data set's versions and the steps that made them."""
    found = open_lake().versions(name)
    if json:
        put_json([version.to_json() for version in found])
        return
    table(
        ("version", "rows", "columns", "bytes", "step", "from", "created"),
        [
            (
                v.n,
                v.rows,
                len(v.columns),
                human_bytes(v.bytes),
                v.op,
                ", ".join(v.parents),
                v.created,
            )
            for v in found
        ],
    )


@app.command()
def rm(
    dataset: str = DATASET,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Remove a data set with all its versions, or one version of it."""
    lake = open_lake()
    version = lake.version(dataset)
    what = version.ref if "@" in dataset else f"{dataset} and all its versions"
    confirm(f"Remove {what}?", yes=yes)
    lake.remove(dataset)
    note(f"Removed {what}.")
