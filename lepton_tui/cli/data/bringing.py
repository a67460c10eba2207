"""`lepton data import`, `rejects`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from core.data.builtin.naming import whole_source
from core.data.lake.rejected import rejected_rows
from core.data.lake.version import Version
from core.errors import LeptonError, UsageError
from core.workspace import Workspace
from lepton_tui.cli.data.group import DATASET, JSON, app, inputs_of, open_lake
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import bar, note, put, put_json, table
from screens.text import counted, plain

if TYPE_CHECKING:
    from core.runs.run import Run

SHOWN = 5


@app.command("import")
def import_(
    *,
    source: str = typer.Argument(
        None,
        metavar="SOURCE",
        help="A file, a folder, a pattern, an archive or an address, or a built-in data set: "
        "mnist, cifar10, imdb, mnist-sample.",
    ),
    name: str = typer.Option(None, metavar="NAME", help="What to call it."),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    task: str = typer.Option(
        None, metavar="TASK", help="The kind of problem; guessed if not named."
    ),
    inputs: str = typer.Option(None, metavar="A,B", help="The columns to predict from."),
    format: str = typer.Option(None, metavar="FORMAT", help="What it is, if that is not seen."),
    type: list[str] = typer.Option(
        [],
        metavar="COLUMN=TYPE",
        help="integer, number, text, date, timestamp or boolean. Again for each column.",
    ),
    table: str = typer.Option(
        None, metavar="NAME", help="A sheet of a workbook, a table of a database."
    ),
    text_by: str = typer.Option(
        "line", metavar="PART", help="A row of plain text: line, paragraph or file."
    ),
    labels: str = typer.Option(
        None, metavar="FILE", help="The table that labels the files of a folder."
    ),
    records: str = typer.Option(
        None, metavar="PATH", help="Where an API's answers hold the rows, such as data.items."
    ),
    next_page: str = typer.Option(
        None,
        metavar="HOW",
        help="How an API goes on: the PATH of the next address, PARAMETER=PATH of a cursor,"
        " PARAMETER=1 to count, link or none. The usual ways are seen.",
    ),
    max_size: str = typer.Option(
        None, metavar="SIZE", help="Download or unpack no more than this, such as 500MB."
    ),
    archive: str = typer.Option(
        None, metavar="PATH", help="Where a built-in data set's original archive lies."
    ),
    recipe: str = typer.Option(
        None, metavar="FILE", help="Clean the rows by this recipe before they are kept."
    ),
    append: bool = typer.Option(
        False, "--append", help="Add what is new in SOURCE to the data set."
    ),
    refresh: bool = typer.Option(
        False, "--refresh", help="Add what is new where the data set came from."
    ),
    preview: bool = typer.Option(
        False, "--preview", help="Show columns, types and first rows; keep nothing."
    ),
    detach: bool = typer.Option(False, "--detach", "-d", help="Do not follow the import."),
    json: bool = JSON,
) -> None:
    """Bring data in as a new version of a data set.

    An address begins with https://, s3://, gs://, az:// or hf://. No password or key is part of
    it: they are read from LEPTON_HTTP_HEADERS and LEPTON_HTTP_QUERY in the environment, from
    .netrc, and from where each cloud keeps them.

    An empty cell of a CSV is a missing value, and so is one that holds only "".
    """
    options: dict[str, Any] = {
        "types": types_of(type),
        "table": table,
        "text_by": text_by,
        "labels": whole_source(labels) if labels else None,
        "records": records,
        "next_page": next_page,
        **({"most_bytes": bytes_of(max_size)} if max_size else {}),
    }
    if refresh and (append or source or not name):
        raise UsageError(
            "--refresh reads again where a data set came from", hint="Name it with --name alone."
        )
    if source is None and not refresh:
        raise UsageError(
            "SOURCE is missing",
            where="lepton data import",
            hint="Name a file, a folder or a built-in data set.",
        )
    if source:
        # Before a run writes it down.
        from core.data.sources.remote.address import check_address

        check_address(source)
    if preview:
        return _preview(str(source), format, options, json=json)
    from core.data.sources.naming import default_name
    from core.runs.store import Runs

    spec = {
        "source": whole_source(source) if source else None,
        "name": name,
        "target": target,
        "task": task,
        "inputs": comma_list(inputs),
        "format": format,
        "archive": whole_source(archive) if archive else None,
        "only_new": append or refresh,
        "options": options,
        "recipe": _steps(recipe) if recipe else None,
    }
    dataset = name or default_name(str(source))
    run = Runs(Workspace.open()).create("import", spec, dataset=dataset)
    run.launch()
    if detach:
        if json:
            put_json(run.state().to_json())
            return None
        put(f"Started {run.id}.")
        put(f"Watch it: lepton runs attach {run.id}")
        return None
    report = _follow(run, plain(str(source or name)))
    _put_report(report, json=json)
    if failed := report["failed_rules"]:
        kept = f"{report['name']}@{report['version']}"
        note(f"{counted(failed, 'rule')} failed; {kept} was kept: lepton data check {kept}")
        raise typer.Exit(1)
    return None


def _steps(recipe: str) -> list[dict[str, Any]]:
    """The steps of a recipe's file as the run keeps them, whatever becomes of the file."""
    from core.data.cleaning.recipe import Recipe

    return Recipe.load(recipe).to_json()


def bytes_of(size: str) -> int:
    """`"1.5GB"` as 1,500,000,000.

    Raises:
        UsageError: it is no size.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?)[bB]?\s*", size)
    if found is None or float(found[1]) == 0:
        raise UsageError(f'"{size}" is no size', hint="Write it like 500MB or 2GB.")
    return int(float(found[1]) * 1000 ** " kmgt".index(found[2].lower() or " "))


def types_of(words: list[str]) -> dict[str, str]:
    """`["age=integer"]` as `{"age": "integer"}`.

    Raises:
        UsageError: a word has no `=`.
    """
    types = {}
    for word in words:
        column, equals, kind = word.rpartition("=")
        if not equals or not column:
            raise UsageError(f'"{word}" sets no type', hint="Write --type COLUMN=TYPE.")
        types[column] = kind
    return types


def _follow(run: Run, what: str) -> dict[str, Any]:
    """Follow an import to its end: its report. Ctrl-C cancels it, and nothing is kept.

    An import that came to nothing leaves no run behind, for what there is to know has been said.

    Raises:
        LeptonError: it failed.
        Exit: the person cancelled it; the code is 130.
    """
    from lepton_tui.cli.status import StatusLine

    line = StatusLine()
    try:
        for event in run.events(follow=True):
            if event["event"] == "step":
                done, whole = event["step"], event["steps"]
                share = f"{bar(done / whole):<20} {done / whole:4.0%}" if whole else f"{done:,}"
                line.show(f"Importing {what}  {share}")
    except KeyboardInterrupt:
        run.stop(wait=None)
    finally:
        line.clear()
    state = run.state()
    if state.state == "stopped":
        run.remove()
        note("Cancelled; nothing was changed.")
        raise typer.Exit(130)
    if state.error is not None:
        run.remove()
        raise LeptonError.from_json(state.error)
    report: dict[str, Any] = (run.history().result or {})["report"]
    return report


def _put_report(report: dict[str, Any], *, json: bool) -> None:
    for text in report["notes"]:
        note(f"note: {text}")
    for reject in report["rejects"][:SHOWN]:
        note(f"left out: {reject['where']}: {reject['what']}")
    if (more := report["rejected"] - SHOWN) > 0:
        note(f"left out: {more:,} more; see them all: lepton data rejects {report['name']}")
    if json:
        put_json(report)
        return
    version = open_lake().version(f"{report['name']}@{report['version']}")
    rows, columns = counted(version.rows, "row"), counted(len(version.columns), "column")
    added = "" if report["added"] is None else f", {counted(report['added'], 'row')} new"
    put(f"{version.ref}: {rows}, {columns}{added}")
    _put_task(version)


def _put_task(version: Version) -> None:
    if version.task and version.target:
        put(f"for {version.task}: {inputs_of(version)} -> {plain(version.target)}")
        put(f"Next: lepton train {version.dataset}")
        return
    from core.ingest import fit_of

    try:
        fit = fit_of(open_lake(), version)
        put(f"for {fit.task}: {plain(fit.target)}, unless you name another column to predict")
        put(f"Next: lepton train {version.dataset}")
    except UsageError:
        put("No task suits its columns as they are; name the column to predict when you train:")
        put(f"  lepton train {version.dataset} --target COLUMN")


def _preview(source: str, format: str | None, options: dict[str, Any], *, json: bool) -> None:
    from core.data.sources import Options, Reading, preview_source
    from lepton_tui.cli.status import counting

    with counting(f"Reading {source}") as progress:
        found = preview_source(open_lake(), source, Reading(format, Options(**options), progress))
    for text in found.notes:
        note(f"note: {text}")
    for reject in found.rejects[:SHOWN]:
        note(f"would be left out: {reject.where}: {reject.what}")
    names = [name for name, _ in found.columns]
    if json:
        put_json(
            {
                "format": found.format,
                "rows": found.count,
                "columns": [{"name": name, "type": kind} for name, kind in found.columns],
                "first": [dict(zip(names, row, strict=True)) for row in found.rows],
                "rejected": found.rejected,
                "notes": found.notes,
            }
        )
        return
    put(f"{found.format}: {counted(found.count, 'row')}, {counted(found.rejected, 'row')} left out")
    table(("column", "type"), found.columns)
    put()
    table(names, found.rows)
    note("Nothing was imported. Set a type with --type COLUMN=TYPE.")


@app.command()
def rejects(
    dataset: str = DATASET,
    limit: int = typer.Option(50, min=1, metavar="N", help="Rows to show."),
    json: bool = JSON,
) -> None:
    """Show what an import left out: file, place and reason.

    Of a version that came of an import's, such as a split, it is what that import left out.
    """
    from core.data.lake.rejected import rejecting

    lake = open_lake()
    version = rejecting(lake, dataset)
    found = rejected_rows(lake, version)
    if json:
        put_json(found.to_pylist())
        return
    if not found.num_rows:
        note(f"{version.ref} left nothing out.")
        return
    shown = found.slice(0, limit)
    rows = [tuple(row.values()) for row in shown.to_pylist()]
    table(shown.column_names, rows, whole=("reason",))
    if found.num_rows > limit:
        note(f"{limit:,} of {found.num_rows:,}; see more with --limit.")
