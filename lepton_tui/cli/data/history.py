"""`lepton data versions`, `lineage`, `diff`, `restore`, `tag`, `untag`, `rm`, `gc`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from core.errors import UsageError
from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import cell, confirm, note, put, put_json, table
from lepton_tui.cli.status import working
from screens.text import counted, human_bytes, human_count, plain, relative_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.data.diff import Diff
    from core.lineage.readers import Reader
    from core.lineage.tree import Relative

DEFAULT_AGE = "30d"


@app.command()
def versions(
    name: str = typer.Argument(metavar="DATASET", help="A data set's name."), json: bool = JSON
) -> None:
    """List a data set's versions and the steps that made them."""
    from core.data.lake.steps import in_words

    found = open_lake().versions(name)
    if json:
        put_json([version.to_json() | {"step": in_words(version)} for version in found])
        return
    table(
        ("version", "rows", "bytes", "tags", "step", "from", "by", "created"),
        [
            (
                v.n,
                v.rows,
                human_bytes(v.bytes),
                " ".join(v.tags),
                in_words(v),
                ", ".join(v.parents),
                v.author,
                relative_time(v.created),
            )
            for v in found
        ],
    )


@app.command()
def lineage(dataset: str = DATASET, json: bool = JSON) -> None:
    """Show what a version came from, what came of it, and which runs and models read it."""
    from core.data.lake.steps import in_words
    from core.lineage.tree import lineage as lineage_of

    found = lineage_of(open_lake().workspace, dataset)
    if json:
        put_json(found.to_json())
        return
    put(f"{found.version.ref}  {plain(in_words(found.version))}  {found.version.created}")
    _put_readers(found.readers, "  ")
    for head, relatives in (("from", found.ancestors), ("into", found.descendants)):
        if relatives:
            put(head)
        for relative in relatives:
            _put_relative(relative)


def _put_relative(relative: Relative) -> None:
    from core.data.lake.steps import in_words

    indent = "  " * (relative.branch + 1)
    version = relative.version
    facts = f"{plain(in_words(version))}  {version.created}" if version else "removed"
    put(f"{indent}{plain(relative.ref)}  {facts}")
    _put_readers(relative.readers, indent + "  ")


def _put_readers(readers: Sequence[Reader], indent: str) -> None:
    for reader in readers:
        put(plain(indent + reader.in_words()))


@app.command()
def diff(
    *,
    old: str = typer.Argument(metavar="DATASET", help='The version before, "name@1".'),
    new: str = typer.Argument(None, metavar="DATASET", help="The version after; the newest."),
    on: str = typer.Option(None, metavar="A,B", help="Columns that tell a row, such as id."),
    examples: int = typer.Option(5, min=0, metavar="N", help="Rows to show of each kind."),
    json: bool = JSON,
) -> None:
    """Show what differs between two versions; of a name alone, between its last two."""
    from core.data.diff import diff as compare

    lake = open_lake()
    if new is None:
        old, new = _last_two(old)
    with working(f"Comparing {old} with {new}"):
        found = compare(lake, old, new, on=comma_list(on), examples=examples)
    if json:
        put_json(found.to_json())
        return
    _put_diff(found)


def _last_two(ref: str) -> tuple[str, str]:
    """The version named and the newest, or the last two of a name."""
    every = open_lake().versions(ref.partition("@")[0])
    if "@" in ref:
        return ref, every[0].ref
    if len(every) < 2:
        raise UsageError(
            f'"{ref}" has one version, which nothing differs from', hint="Name another data set."
        )
    return every[1].ref, every[0].ref


def _put_diff(found: Diff) -> None:
    put(f"{found.old.ref} → {found.new.ref}")
    if found.same:
        put("the same columns and rows")
        return
    for name in found.columns_added:
        put(f"+ column {plain(name)}  {found.new.column(name).type.lower()}")
    for name in found.columns_removed:
        put(f"- column {plain(name)}  {found.old.column(name).type.lower()}")
    for each in found.retyped:
        put(f"~ column {plain(each.name)}  {each.old.lower()} → {each.new.lower()}")
    changed = f", {human_count(found.changed)} changed"
    put(
        f"rows: {human_count(found.added)} added, {human_count(found.removed)} removed"
        f"{'' if found.matched == ('content',) else changed}"
        f"  ({human_count(found.old.rows)} → {human_count(found.new.rows)})"
    )
    if found.matched != ("_rid",):
        note(f"Rows are told by {', '.join(found.matched)}.")
    if found.cells:
        put()
        most_first = sorted(found.cells.items(), key=lambda each: (-each[1], each[0]))
        table(("column", "cells changed"), most_first)
    if found.examples:
        put()
        table(
            ("", "row", "column", "before", "after"),
            [
                (
                    {"added": "+", "removed": "-", "changed": "~"}[change.kind],
                    ", ".join(map(cell, change.key.values())),
                    name,
                    "" if change.kind == "added" else before,
                    "" if change.kind == "removed" else after,
                )
                for change in found.examples
                for name, (before, after) in change.cells.items()
            ],
        )


@app.command()
def restore(dataset: str = DATASET, json: bool = JSON) -> None:
    """Make an earlier version the newest again, as a version of its own."""
    lake = open_lake()
    version = lake.version(dataset)
    if lake.version(version.dataset).ref == version.ref:
        raise UsageError(f"{version.ref} is the newest version", hint='Name an earlier: "name@1".')
    made = lake.restore(version)
    if json:
        put_json(made.to_json())
        return
    put(f"{made.ref}: {counted(made.rows, 'row')}, as in {version.ref}")


@app.command()
def tag(
    dataset: str = DATASET,
    name: str = typer.Argument(metavar="TAG", help="A word, such as best."),
    json: bool = JSON,
) -> None:
    """Give a version a name that goes with it; "name@TAG" means it from then on."""
    version = open_lake().tag(dataset, name)
    if json:
        put_json(version.to_json())
        return
    put(f"{version.dataset}@{name} is {version.ref}")


@app.command()
def untag(
    name: str = typer.Argument(metavar="DATASET", help="A data set's name."),
    tag: str = typer.Argument(metavar="TAG", help="The tag to take away."),
) -> None:
    """Take a tag away; its version stays."""
    open_lake().untag(name, tag)
    note(f'{name} has no tag "{tag}" any more.')


@app.command()
def rm(
    dataset: str = DATASET,
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    force: bool = typer.Option(False, "--force", help="Even if something needs it."),
) -> None:
    """Remove a data set with all its versions, or one version of it."""
    from core.lineage.removal import remove

    lake = open_lake()
    version = lake.version(dataset)
    what = version.ref if "@" in dataset else f"{dataset} and all its versions"
    confirm(f"Remove {what}?", yes=yes)
    remove(lake.workspace, dataset, force=force)
    note(f"Removed {what}.")


@app.command()
def gc(
    *,
    keep: int = typer.Option(None, min=1, metavar="N", help="Versions of each data set to keep."),
    older: str = typer.Option(
        None, metavar="AGE", help="Only versions older than 12h, 30d or 8w (30d without --keep)."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would go."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    json: bool = JSON,
) -> None:
    """Remove old versions that no tag, run or model refers to, and files that nobody needs."""
    from core.lineage.removal import age_of, collect_garbage

    workspace = open_lake().workspace
    wanted = older or (DEFAULT_AGE if keep is None else None)
    age = age_of(wanted) if wanted else timedelta()
    if not dry_run:
        going = collect_garbage(workspace, keep=keep or 1, older=age, dry_run=True).versions
        if going:
            confirm(f"Remove {counted(len(going), 'old version')}?", yes=yes)
    freed = collect_garbage(workspace, keep=keep or 1, older=age, dry_run=dry_run)
    if json:
        put_json(
            {
                "dry_run": dry_run,
                "versions": [version.ref for version in freed.versions],
                "files": freed.files,
                "scratch": freed.scratch,
                "caches": freed.caches,
                "bytes": freed.bytes,
            }
        )
        return
    for version in freed.versions:
        put(version.ref)
    put(
        f"{'would free' if dry_run else 'freed'} {human_bytes(freed.bytes)}:"
        f" {counted(len(freed.versions), 'version')}, {counted(freed.files, 'data file')},"
        f" {counted(freed.scratch, 'scratch file')}, {counted(freed.caches, 'training cache')}"
    )
