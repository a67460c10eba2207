"""Bringing in only what is new: files never seen, and of files that changed the rows never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.lake import Lake
from core.data.lake.version import TYPES, Version
from core.data.lake.view import literal, quoted
from core.data.sources.desk import Arrived, Desk
from core.data.sources.located import Located
from core.data.sources.prints import Seen
from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

IMPORTS = ("import", "append", "refresh", "builtin")


def last_import(lake: Lake, name: str) -> Version:
    """The newest version that holds rows as they came.

    Raises:
        UsageError: there is no such data set, or none of its versions was imported.
    """
    for version in lake.versions(name):
        if version.op in IMPORTS:
            return version
    raise UsageError(
        f'no version of "{name}" came from an import',
        hint="Import under another name, or without --append.",
    )


def origin_of(version: Version) -> str:
    """The source that an imported version came from.

    Raises:
        UsageError: the version does not say so.
    """
    source: str | None = version.params.get("source")
    if not source:
        raise UsageError(f"{version.ref} does not say where it came from", hint="Name the source.")
    return source


def seen_files(lake: Lake, name: str, *, one_by_one: bool = False) -> Seen:
    """What is known of every file that was brought into a data set, the newest first."""
    files: dict[str, list[dict[str, Any]]] = {}
    for version in lake.versions(name):
        for file, facts in version.params.get("files", {}).items():
            if isinstance(facts, dict) and "sha256" in facts:
                files.setdefault(file, []).append(facts)
    return Seen(files, one_by_one)


def only_new(
    located: Located, prints: dict[str, dict[str, Any]], seen: Seen
) -> tuple[Located, bool]:
    """The files whose content was never brought in, and whether some of them only changed.

    Of a file that changed, rows that are there already must not come twice.
    """
    known = seen.digests
    kept = [
        (path, name)
        for path, name in zip(located.paths, located.names, strict=True)
        if prints.get(name, {}).get("sha256") not in known
    ]
    # A folder that is read as a whole, or an archive, has no print of each of its files.
    changed = any(name in seen.files or name not in prints for _, name in kept)
    return replace(located, paths=[p for p, _ in kept], names=[n for _, n in kept]), changed


def types_of(version: Version) -> dict[str, str]:
    """The types of a version's columns in the words of `Options.types`."""
    words = {kind: word for word, kind in TYPES.items()}
    return {column.name: words[column.type] for column in version.columns if column.type in words}


def append_arrived(
    lake: Lake,
    desk: Desk,
    arrived: Arrived,
    name: str,
    *,
    op: str,
    params: dict[str, Any],
    compare: bool,
    left_out: Callable[[], pa.Table | None],
) -> Version | None:
    """Add rows to the newest version of a data set; None when all of them are there already.

    With `compare` a row comes only as often as it is not there yet.

    Raises:
        UsageError: the rows have other columns than the data set.
        LeptonError: they cannot be read; the lake is as it was.
    """
    newest, imported = lake.version(name), last_import(lake, name)
    have = set(imported.column_names)
    if odd := sorted(set(arrived.columns) ^ (have - {"split"} | have & set(arrived.columns))):
        raise UsageError(
            f'the source and "{name}" do not have the same columns: {", ".join(odd[:5])}',
            where=str(desk.source),
            hint="Import it under another name.",
        )
    staged = _staged(desk, arrived)
    casts = ", ".join(
        f"CAST({quoted(c)} AS {imported.column(c).type}) AS {quoted(c)}" for c in arrived.columns
    )
    rows = f"SELECT {casts} FROM ({staged})"
    if compare:
        rows = _unseen(lake, desk, imported, rows, arrived.columns)
    written, count = desk.write(rows)
    if not count:
        return None
    if newest.op not in IMPORTS:
        desk.note(f"{newest.ref} was made by {newest.op}; the new rows stand in it as they came")
    return lake.append(newest, written, op=op, params={**params, "added": count}, rejects=left_out)


def _staged(desk: Desk, arrived: Arrived) -> str:
    """SQL for the rows, whatever form they came in; a stream is written out first."""
    if isinstance(arrived.rows, str):
        return arrived.rows
    path = arrived.rows
    if not isinstance(path, Path):
        desk.connection.register("stream", arrived.rows)
        path, _ = desk.write("SELECT * FROM stream")
    return f"SELECT * FROM read_parquet({literal(str(path))})"


def _unseen(lake: Lake, desk: Desk, imported: Version, rows: str, columns: tuple[str, ...]) -> str:
    """The rows beyond those that are there, each counted as often as it stands there."""
    whole = f"hash({', '.join(map(quoted, columns))})"
    with lake.open(imported) as view:
        counts = view.arrow(f"SELECT {whole} AS h, count(*) AS there FROM rows GROUP BY 1")
    desk.connection.register("present", counts)
    listed = ", ".join(f"n.{quoted(column)}" for column in columns)
    path, _ = desk.write(rows)
    arrived = (
        f"SELECT *, {whole} AS h, row_number() OVER (PARTITION BY {whole}"
        f" ORDER BY file_row_number) AS k"
        f" FROM read_parquet({literal(str(path))}, file_row_number = true)"
    )
    return (
        f"SELECT {listed} FROM ({arrived}) n LEFT JOIN present p ON n.h = p.h"
        " WHERE n.k > coalesce(p.there, 0) ORDER BY n.file_row_number"
    )
