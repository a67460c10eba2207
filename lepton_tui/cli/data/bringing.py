"""`lepton data import`."""

from __future__ import annotations

import typer

from core.workspace import Workspace
from lepton_tui.cli.data.group import JSON, app, inputs_of
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import note, put, put_json
from screens.text import counted, plain


@app.command("import")
def import_(
    *,
    source: str = typer.Argument(
        metavar="SOURCE",
        help="A file (CSV, Parquet, JSON Lines, IDX), a folder of images by class, or a built-in"
        " data set: mnist, cifar10, imdb, mnist-sample.",
    ),
    name: str = typer.Option(None, metavar="NAME", help="What to call it."),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    task: str = typer.Option(
        None, metavar="TASK", help="The kind of problem; guessed if not named."
    ),
    inputs: str = typer.Option(None, metavar="A,B", help="The columns to predict from."),
    format: str = typer.Option(
        None, metavar="FORMAT", help="csv, tsv, parquet, jsonl, images, idx."
    ),
    archive: str = typer.Option(
        None, metavar="PATH", help="Where a built-in data set's original archive lies."
    ),
    json: bool = JSON,
) -> None:
    """Bring data in as a new version of a data set."""
    from core.ingest import ingest
    from lepton_tui.cli.status import counting

    with counting(f"Importing {source}") as progress:
        report = ingest(
            Workspace.open(),
            source,
            name,
            target=target,
            task=task,
            inputs=comma_list(inputs),
            format=format,
            archive=archive,
            progress=progress,
        )
    version = report.version
    for text in report.notes:
        note(f"note: {text}")
    for reject in report.rejects[:5]:
        note(f"left out: {reject.where}: {reject.what}")
    if json:
        rejects = [reject.to_json() for reject in report.rejects]
        put_json(version.to_json() | {"rejects": rejects, "notes": list(report.notes)})
        return
    put(f"{version.ref}: {counted(version.rows, 'row')}, {counted(len(version.columns), 'column')}")
    if version.task:
        put(f"for {version.task}: {inputs_of(version)} -> {plain(version.target or '')}")
        put(f"Next: lepton train {version.dataset}")
    else:
        put("No task suits its columns as they are; name the column to predict when you train:")
        put(f"  lepton train {version.dataset} --target COLUMN")
