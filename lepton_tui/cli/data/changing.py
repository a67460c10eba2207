"""`lepton data split`."""

from __future__ import annotations

import typer

from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.output import put, put_json
from screens.text import human_count


@app.command()
def split(
    *,
    dataset: str = DATASET,
    validation: float = typer.Option(0.1, metavar="SHARE", help="Rows to judge epochs with."),
    test: float = typer.Option(0.1, metavar="SHARE", help="Rows to judge the model with."),
    seed: int = typer.Option(0, metavar="N", help="The same seed gives the same split."),
    by: str = typer.Option(None, metavar="COLUMN", help="Keep the shares of its classes."),
    group: str = typer.Option(None, metavar="COLUMN", help="Never part its equal values."),
    json: bool = JSON,
) -> None:
    """Give every row to training, validation or test, as a new version."""
    from core.data.split import split as split_rows

    lake = open_lake()
    version = split_rows(
        lake, dataset, validation=validation, test=test, seed=seed, by=by, group=group
    )
    with lake.open(version) as view:
        splits = view.splits()
    if json:
        put_json(version.to_json() | {"splits": splits})
        return
    parts = ", ".join(f"{name} {human_count(count)}" for name, count in splits.items())
    put(f"{version.ref}: {parts}")
