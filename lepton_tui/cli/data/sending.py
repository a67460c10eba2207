"""`lepton data export`."""

from __future__ import annotations

import typer

from core.workspace import written_path
from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import note, put, put_json
from screens.text import counted, plain


@app.command()
def export(
    *,
    dataset: str = DATASET,
    destination: str = typer.Argument(
        metavar="DESTINATION",
        help="A file: .csv, .tsv, .jsonl, .parquet, .arrow, .xlsx; or a folder.",
    ),
    format: str = typer.Option(
        None,
        metavar="FORMAT",
        help="csv, tsv, jsonl, parquet, arrow, excel; folders: images, coco, huggingface.",
    ),
    split: str = typer.Option(None, metavar="NAME", help="Only the rows of this split."),
    columns: str = typer.Option(None, metavar="A,B", help="Only these columns."),
    force: bool = typer.Option(False, "--force", help="Replace a file that is there."),
    json: bool = JSON,
) -> None:
    """Write rows to a file, or to a folder that other tools read."""
    from core.data.exporting.export import export as write
    from lepton_tui.cli.status import counting

    with open_lake().open(dataset) as view, counting(f"Exporting {dataset}") as progress:
        done = write(
            view,
            written_path(destination),
            format=format,
            split=split,
            columns=comma_list(columns),
            replace=force,
            progress=progress,
        )
    for text in done.notes:
        note(f"note: {text}")
    if json:
        facts_of = {"path": str(done.path), "format": done.format, "rows": done.rows}
        put_json(facts_of | {"notes": done.notes})
        return
    put(f"{plain(str(done.path))}: {counted(done.rows, 'row')} as {done.format}")
