"""`lepton data split`."""

from __future__ import annotations

import typer

from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.data.quality import put_findings
from lepton_tui.cli.output import put, put_json
from lepton_tui.cli.status import working
from screens.text import human_count


@app.command()
def split(
    *,
    dataset: str = DATASET,
    validation: float = typer.Option(0.1, metavar="SHARE", help="Rows to judge epochs with."),
    test: float = typer.Option(0.1, metavar="SHARE", help="Rows to judge the model with."),
    seed: int = typer.Option(0, metavar="N", help="The same seed gives the same split."),
    random: bool = typer.Option(
        False, "--random", help="Keep no shares, not of the target either."
    ),
    by: str = typer.Option(None, metavar="COLUMN", help="Keep the shares of its classes."),
    group: str = typer.Option(None, metavar="COLUMN", help="Never part its equal values."),
    time: str = typer.Option(None, metavar="COLUMN", help="Train on the oldest, test on the last."),
    hash: str = typer.Option(
        None, metavar="COLUMN", help="By its value alone, which stays as rows are added; or _rid."
    ),
    folds: int = typer.Option(None, metavar="K", help="Number K folds in a column."),
    fold: int = typer.Option(None, metavar="N", help="Test on this fold, validate on the next."),
    check: bool = typer.Option(True, help="Look for rows that leak from one split into another."),
    json: bool = JSON,
) -> None:
    """Give every row to training, validation or test, as a new version.

    Equal and nearly equal rows in different splits are told, each with the step that mends it.
    """
    from core.data.lake.steps import not_placed
    from core.data.quality.leakage import check_leakage
    from core.data.splitting.split import split as split_rows

    lake = open_lake()
    numbered = folds is not None and fold is None
    checked = check and not numbered
    with working(f"Splitting {dataset}"):
        version = split_rows(
            lake,
            dataset,
            validation=validation,
            test=test,
            seed=seed,
            random=random,
            by=by,
            group=group,
            time=time,
            hash=hash,
            folds=folds,
            fold=fold,
        )
        leaks = check_leakage(lake, version) if checked else []
    counts = version.params["rows"]
    if json:
        found = [leak.to_json() for leak in leaks] if checked else None
        splits = {} if numbered else counts
        put_json(version.to_json() | {"splits": splits, "leakage": found})
        return
    each = "fold {}" if numbered else "{}"
    parts = ", ".join(f"{each.format(name)} {human_count(n)}" for name, n in counts.items() if n)
    put(f"{version.ref}: {parts}")
    if note := not_placed(version.params):
        put(f"{note}.")
    if leaks:
        put_findings(leaks, version.ref)
    elif checked:
        put("No row is equal or nearly equal to one of another split.")
