"""`lepton data …`: bring data in, look at it, check it, split it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.workspace import Workspace
from lepton_tui.cli.groups import noun
from lepton_tui.cli.output import confirm, facts, note, put, put_json, table
from screens.text import counted, human_bytes, human_count, human_number, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.data.check import Finding
    from core.data.lake import Lake, Version
    from core.data.profile import ColumnProfile

app = noun("Bring data in, look at it, check it, split it.")

DATASET = typer.Argument(metavar="DATASET", help='A data set, "name" or "name@version".')
JSON = typer.Option(False, "--json", help="Print one JSON document.")


def _lake() -> Lake:
    from core.data.lake import Lake

    return Lake(Workspace.open())


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
        put(f"for {version.task}: {_inputs_of(version)} -> {plain(version.target or '')}")
        put(f"Next: lepton train {version.dataset}")
    else:
        put("No task suits its columns as they are; name the column to predict when you train:")
        put(f"  lepton train {version.dataset} --target COLUMN")


@app.command("ls")
def list_(json: bool = JSON) -> None:
    """List the data sets."""
    datasets = _lake().datasets()
    if json:
        put_json([version.to_json() for version in datasets])
        return
    if not datasets:
        note("There are no data sets yet. Bring one in: lepton data import FILE --name NAME")
        return
    table(
        ("name", "version", "rows", "columns", "bytes", "task"),
        [(v.dataset, v.n, v.rows, len(v.columns), human_bytes(v.bytes), v.task) for v in datasets],
    )


@app.command()
def show(dataset: str = DATASET, json: bool = JSON) -> None:
    """Show what a data set holds and how it came to be."""
    lake = _lake()
    version = lake.version(dataset)
    with lake.open(version) as view:
        splits = view.splits()
    if json:
        columns = [{"name": c.name, "type": c.type, "media": c.media} for c in version.columns]
        put_json(version.to_json() | {"schema": columns, "splits": splits})
        return
    facts(
        [
            ("name", version.dataset),
            ("version", version.n),
            ("rows", human_count(version.rows)),
            ("size", human_bytes(version.bytes)),
            ("task", version.task),
            ("inputs", _inputs_of(version)),
            ("target", version.target),
            ("splits", ", ".join(f"{name} {human_count(n)}" for name, n in splits.items()) or None),
            ("made by", f"{version.op}, {version.created}"),
            ("from", ", ".join(version.parents) or None),
        ]
    )
    put()
    table(("column", "type", "holds"), [(c.name, c.type, c.media or "") for c in version.columns])


@app.command()
def rows(
    dataset: str = DATASET,
    offset: int = typer.Option(0, min=0, metavar="N", help="Rows to pass over."),
    limit: int = typer.Option(10, min=1, metavar="N", help="Rows to show."),
    columns: str = typer.Option(None, metavar="A,B", help="Only these columns."),
    json: bool = JSON,
) -> None:
    """Show rows, a page at a time."""
    lake = _lake()
    version = lake.version(dataset)
    names = comma_list(columns) or list(version.column_names)
    for name in names:
        version.column(name)
    with lake.open(version) as view:
        page = view.page(offset, limit, names)
    heads = ("_rid", *names)
    if json:
        put_json([dict(zip(heads, row, strict=True)) for row in page])
        return
    table(heads, page)
    note(
        f"Rows {offset} to {offset + len(page) - 1} of {human_count(version.rows)}."
        if page
        else f"There are {counted(version.rows, 'row')}."
    )


@app.command()
def versions(
    name: str = typer.Argument(metavar="DATASET", help="A data set's name."), json: bool = JSON
) -> None:
    """List a data set's versions and the steps that made them."""
    found = _lake().versions(name)
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
def profile(dataset: str = DATASET, json: bool = JSON) -> None:
    """Show what each column holds: spread, common values, what is missing."""
    from core.data.profile import profile as profile_of

    with _lake().open(dataset) as view:
        found = profile_of(view)
    if json:
        put_json(found.to_json())
        return
    put(f"{found.ref}: {counted(found.rows, 'row')}, {human_bytes(found.bytes)}")
    table(
        ("column", "type", "missing", "distinct", "values"),
        [
            (
                each.name,
                each.type.lower(),
                each.missing,
                each.distinct,
                described(each),
            )
            for each in found.columns
        ],
    )


@app.command()
def check(
    dataset: str = DATASET,
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    json: bool = JSON,
) -> None:
    """Look for what would spoil training, and name the rows."""
    from core.data.check import check as check_of

    with _lake().open(dataset) as view:
        findings = check_of(view, target)
    if json:
        put_json([finding.to_json() for finding in findings])
        return
    put_findings(findings)


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

    lake = _lake()
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


@app.command()
def export(
    *,
    dataset: str = DATASET,
    destination: str = typer.Argument(
        metavar="DESTINATION", help="A file: .csv, .tsv, .jsonl, .parquet, .arrow; or a folder."
    ),
    format: str = typer.Option(
        None, metavar="FORMAT", help="csv, tsv, jsonl, parquet, arrow, images."
    ),
    split: str = typer.Option(None, metavar="NAME", help="Only the rows of this split."),
    columns: str = typer.Option(None, metavar="A,B", help="Only these columns."),
    force: bool = typer.Option(False, "--force", help="Replace a file that is there."),
    json: bool = JSON,
) -> None:
    """Write rows to a file, or images to a folder by class."""
    from core.data.export import export as write
    from lepton_tui.cli.status import counting

    with _lake().open(dataset) as view, counting(f"Exporting {dataset}") as progress:
        done = write(
            view,
            Path(destination).expanduser(),
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


@app.command()
def rm(
    dataset: str = DATASET,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Remove a data set with all its versions, or one version of it."""
    lake = _lake()
    version = lake.version(dataset)
    what = version.ref if "@" in dataset else f"{dataset} and all its versions"
    confirm(f"Remove {what}?", yes=yes)
    lake.remove(dataset)
    note(f"Removed {what}.")


def comma_list(text: str | None) -> list[str] | None:
    """`"a, b"` as `["a", "b"]`."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _inputs_of(version: Version) -> str | None:
    return ", ".join(version.inputs) if version.inputs else None


def described(column: ColumnProfile) -> str:
    """What a column holds, in a few words."""
    if column.numbers is not None:
        low, high, mean = (human_number(column.numbers[key]) for key in ("min", "max", "mean"))
        return f"{low} to {high}, mean {mean}"
    if column.images is not None:
        return ", ".join(f"{size} ({count})" for size, count in column.images["sizes"].items())
    return ", ".join(f"{value} ({count})" for value, count in column.top[:4])


def put_findings(findings: Sequence[Finding]) -> None:
    """What a check found, worst first, each with what to do."""
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
