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
    time: str = typer.Option(None, metavar="COLUMN", help="Train on the oldest, test on the last."),
    hash: str = typer.Option(
        None, metavar="COLUMN", help="By its value alone, which stays as rows are added; or _rid."
    ),
    folds: int = typer.Option(None, metavar="K", help="Number K folds in a column."),
    fold: int = typer.Option(None, metavar="N", help="Test on this fold, validate on the next."),
    json: bool = JSON,
) -> None:
    """Give every row to training, validation or test, as a new version."""
    from core.data.split import split as split_rows

    lake = open_lake()
    version = split_rows(
        lake,
        dataset,
        validation=validation,
        test=test,
        seed=seed,
        by=by,
        group=group,
        time=time,
        hash=hash,
        folds=folds,
        fold=fold,
    )
    counts = version.params["rows"]
    if json:
        splits = {} if folds is not None and fold is None else counts
        put_json(version.to_json() | {"splits": splits})
        return
    each = "fold {}" if folds is not None and fold is None else "{}"
    parts = ", ".join(f"{each.format(name)} {human_count(n)}" for name, n in counts.items() if n)
    put(f"{version.ref}: {parts}")
