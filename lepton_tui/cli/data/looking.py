"""`lepton data ls`, `show`, `rows`, `sql`, `profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lepton_tui.cli.data.group import DATASET, JSON, app, inputs_of, open_lake
from lepton_tui.cli.interrupt import interruptible
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import columns_at_most, facts, note, of_columns, put, put_json, table
from lepton_tui.cli.status import working
from screens.text import counted, human_bytes, human_count, human_number, sparkline

if TYPE_CHECKING:
    from core.data.profile import ColumnProfile


@app.command("ls")
def list_(json: bool = JSON) -> None:
    """List the data sets."""
    from core.lineage.purpose import task_of_line

    lake = open_lake()
    datasets = lake.datasets()
    if json:
        put_json([version.to_json() for version in datasets])
        return
    if not datasets:
        note("There are no data sets yet. Bring one in: lepton data import FILE --name NAME")
        return
    heads = ("name", "version", "rows", "columns", "bytes", "task")
    table(
        heads,
        [
            (v.dataset, v.n, v.rows, len(v.columns), human_bytes(v.bytes), task_of_line(lake, v))
            for v in datasets
        ],
        whole=heads,
        drops=("bytes", "columns", "task", "rows"),
    )


@app.command()
def show(dataset: str = DATASET, json: bool = JSON) -> None:
    """Show what a data set holds and how it came to be."""
    from core.lineage.purpose import task_of_line

    lake = open_lake()
    version = lake.version(dataset)
    with lake.open(version) as view:
        splits = view.splits()
    labels = lake.labels.counts(version)
    if json:
        columns = [{"name": c.name, "type": c.type, "media": c.media} for c in version.columns]
        put_json(version.to_json() | {"schema": columns, "splits": splits, "waiting": labels})
        return
    facts(
        [
            ("name", version.dataset),
            ("version", version.n),
            ("rows", human_count(version.rows)),
            ("size", human_bytes(version.bytes)),
            ("task", task_of_line(lake, version)),
            ("inputs", inputs_of(version)),
            ("target", version.target),
            ("splits", ", ".join(f"{name} {human_count(n)}" for name, n in splits.items()) or None),
            ("labels", _waiting(labels)),
            ("made by", f"{version.op}, {version.created}"),
            ("from", ", ".join(version.parents) or None),
        ]
    )
    put()
    shown = of_columns(version.columns)
    table(("column", "type", "holds"), [(c.name, c.type, c.media or "") for c in shown])


def _waiting(labels: dict[str, int]) -> str | None:
    """The labels that are not published, in a line."""
    told = ", ".join(f"{human_count(n)} for {name}" for name, n in labels.items())
    return f"{told} wait to be published" if labels else None


@app.command()
def rows(
    *,
    dataset: str = DATASET,
    offset: int = typer.Option(0, min=0, metavar="N", help="Rows to pass over."),
    limit: int = typer.Option(10, min=1, metavar="N", help="Rows to show."),
    columns: str = typer.Option(None, metavar="A,B", help="Only these columns."),
    where: str = typer.Option(None, metavar="CONDITION", help='Only these rows: "age > 30".'),
    sort: str = typer.Option(None, metavar="A,-B", help="In this order; - for the largest first."),
    json: bool = JSON,
) -> None:
    """Show rows, a page at a time."""
    from core.data.sql.selection import Selection

    lake = open_lake()
    version = lake.version(dataset)
    names = comma_list(columns) or list(version.column_names)
    for name in names:
        version.column(name)
    shown = names if json else names[: columns_at_most()]
    keys = [(key.removeprefix("-"), key.startswith("-")) for key in comma_list(sort) or ()]
    with Selection(lake, version, where, keys) as selection:
        with working(f"Looking through {dataset}"):
            count = interruptible(selection.find, selection.interrupt)
        page = selection.page(offset, limit, shown)
    heads = ("_rid", *shown)
    if json:
        put_json([dict(zip(heads, row, strict=True)) for row in page])
        return
    table(heads, page, beyond=names[len(shown) :])
    among = "" if where is None else f" that fulfil it, among {human_count(version.rows)}"
    note(
        f"Rows {offset} to {offset + len(page) - 1} of {human_count(count)}{among}."
        if page
        else f"There are {counted(count, 'row')}{among}."
    )


@app.command()
def profile(dataset: str = DATASET, json: bool = JSON) -> None:
    """Show what each column holds: spread, common values, what is missing."""
    from core.data.profile import profile as profile_of

    with open_lake().open(dataset) as view, working(f"Looking through {dataset}"):
        found = interruptible(lambda: profile_of(view), view.interrupt)
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
            for each in of_columns(found.columns)
        ],
    )


def described(column: ColumnProfile) -> str:
    """What a column holds, in a few words."""
    if column.numbers is not None:
        low, high = (_figure(column.numbers[key]) for key in ("min", "max"))
        if "mean" not in column.numbers:
            return f"{low} to {high}"
        mean, median = (_figure(column.numbers[key]) for key in ("mean", "median"))
        shape = sparkline(column.numbers["histogram"])
        return f"{shape} {low} to {high}, mean {mean}, median {median}".strip()
    if column.images is not None:
        return ", ".join(f"{size} ({count})" for size, count in column.images["sizes"].items())
    if column.sounds is not None:
        length = column.sounds["seconds"]
        said = f"{length['shortest']:g} to {length['longest']:g} s" if length else "no sound"
        rates = ", ".join(f"{rate} Hz" for rate in column.sounds["rates"])
        return ", ".join(each for each in (said, rates, column.sounds["problem"]) if each)
    if column.words is not None:
        spoken = column.words["languages"] or {}
        told = [f"{language} {share:.0%}" for language, share in list(spoken.items())[:3]]
        words = f"{column.words['mean']:g} words, {column.words['vocabulary']:,} different"
        return ", ".join([words, *told])
    if not column.top and column.text is not None:
        shortest, longest = (human_number(column.text[key]) for key in ("shortest", "longest"))
        return f"{shortest}{f' to {longest}' if longest != shortest else ''} characters"
    return ", ".join(f"{value} ({count})" for value, count in column.top[:4])


def _figure(value: Any) -> str:
    return value if isinstance(value, str) else human_number(value)
