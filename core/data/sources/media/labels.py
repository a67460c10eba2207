"""A table that labels the files of a folder: which column names them, and what it says of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.view import SPLIT, quoted
from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Desk
from core.data.sources.file_index import FileIndex
from core.data.sources.file_kind import file_kind
from core.data.sources.folders import listing, subfolders
from core.data.sources.formats import FORMATS
from core.data.sources.media.medium import Medium
from core.data.sources.said import counted
from core.errors import LeptonError, UsageError
from core.workspace import written_path

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("metadata", "labels")
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
# A table's formats; a labels file may be any of them, packed or not.
TABLES = ("csv", "tsv", "jsonl", "parquet", "arrow", "excel")
LIKELY = ("file_name", "filename", "file", "path", "image", "audio", "name", "id")
TRIED = 1_000
LARGEST_OBJECT = 512 << 20


def label_files(desk: Desk, root: Path) -> list[Path]:
    """The table that was named, or those that the folder itself holds.

    They are called `metadata` or `labels` and lie at the top, or in folders of train and test.

    Raises:
        UsageError: the one that was named is not there.
    """
    if desk.options.labels:
        path = written_path(desk.options.labels)
        if not path.is_file():
            raise UsageError(
                "there is no such file of labels", where=str(path), hint="Check its name."
            )
        return [path]
    splits = [each for each in subfolders(root) if each.name.lower() in SPLIT_NAMES]
    return [found for folder in (root, *splits) if (found := _table_in(folder))]


def _table_in(folder: Path) -> Path | None:
    for name in NAMES:
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file() and not path.is_symlink():
                return path
    return None


def labelled(
    desk: Desk, root: Path, tables: list[Path], medium: Medium
) -> tuple[list[str], pa.Table]:
    """The files that the tables name, and their rows with the place of each file in `path`.

    A file that no row names, and a row that names no file, are rejected. Where the files lie in
    folders of train and test, and no column says so, these are the split.

    Raises:
        UsageError: no column names the files, or the tables do not have the same columns.
        LeptonError: a table cannot be read.
    """
    import pyarrow as pa

    listed = listing(root)
    files = [name for name in listed.names if medium.holds(name)]
    above = len(str(root)) + 1
    places = [file[above:] for file in files]
    if not files:
        raise UsageError(
            f"there are no {medium.many} in the folder", where=str(root), hint="Name another."
        )
    index = FileIndex(places)
    parts: list[pa.Table] = []
    chosen: list[int] = []
    taken: set[int] = set()
    total = 0
    for path in tables:
        table = _read(desk, path, index)
        total += table.num_rows
        folder = str(path.parent)[above:] if path.is_relative_to(root) else ""
        column = _naming_column(table, index, (folder, ""), path, medium)
        rows: list[int] = []
        for number, cell in enumerate(_words(table[column]), 1):
            found = index.find(cell, (folder, "")) if cell else None
            if found is None or found in taken:
                what = "there is no such file" if found is None else "the file came before"
                desk.reject(f"row {number:,}", what, column=column, value=cell, file=path)
                continue
            taken.add(found)
            chosen.append(found)
            rows.append(number - 1)
        parts.append(table.take(pa.array(rows, pa.int64())).drop_columns([column]))
        desk.check()
    if 2 * len(chosen) < min(total, len(files)):
        raise UsageError(
            f"the labels name {len(chosen):,} of {len(files):,} {medium.many}, in {total:,} rows",
            where=str(tables[0]),
            hint="Check that the table and the folder go together.",
        )
    facts = _joined(parts, tables)
    for number, place in enumerate(places):
        if number not in taken:
            desk.reject(place, "no row of the labels names it")
    beside = {str(path) for path in tables} & set(listed.names)
    if others := len(listed.names) - len(files) - len(beside):
        desk.note(f"{counted(others, 'file')} left out: no {medium.many}")
    if listed.links:
        desk.note(
            f"{counted(len(listed.links), 'link')} out of the folder, or to folders: not followed"
        )
    facts = _named_apart(desk, facts, medium)
    facts = facts.append_column("path", pa.array(_utf8(places[i] for i in chosen), pa.string()))
    splits = [SPLIT_NAMES.get(places[i].partition("/")[0].lower()) for i in chosen]
    if SPLIT not in facts.column_names and all(splits):
        facts = facts.append_column(SPLIT, pa.array(splits, pa.string()))
    return [files[i] for i in chosen], facts


def _read(desk: Desk, path: Path, index: FileIndex) -> pa.Table:
    """The rows of a table as an import of it alone would make them.

    Raises:
        UsageError: it is no table.
    """
    import pyarrow.parquet as pq

    kind = file_kind(path)
    if kind not in TABLES:
        raise UsageError(
            "the file of labels is no table",
            where=str(path),
            hint="It should be CSV, JSON, JSON Lines or Parquet, with a column of file names.",
        )
    plain = _as_lines(desk, path, index) if kind == "jsonl" else None
    source, desk.source = desk.source, str(path)
    try:
        arrived = FORMATS[kind].reader(desk, [plain or path])
        if isinstance(arrived.rows, str):
            rows, _ = desk.write(arrived.rows)
        elif isinstance(arrived.rows, Path):
            rows = arrived.rows
        else:
            desk.connection.register("stream", arrived.rows)
            rows, _ = desk.write("SELECT * FROM stream")
            desk.connection.unregister("stream")
        desk.clear()
    finally:
        desk.source = source
    return pq.read_table(rows, memory_map=False)


def _as_lines(desk: Desk, path: Path, index: FileIndex) -> Path | None:
    """One object of file names and their labels, or a list of pairs, as JSON Lines; else None."""
    if path.stat().st_size > LARGEST_OBJECT:
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if isinstance(content, dict) and isinstance(content.get("labels"), dict | list):
        content = content["labels"]
    pairs: Iterable[Any]
    if isinstance(content, dict):
        if not any(index.find(name) is not None for name in content):
            return None
        pairs = content.items()
    elif isinstance(content, list) and all(_is_pair(each) for each in content):
        pairs = content
    else:
        return None
    plain = desk.scratch(".jsonl")
    with plain.open("w", encoding="utf-8") as out:
        for name, told in pairs:
            row = told if isinstance(told, dict) else {"label": told}
            out.write(json.dumps({"file_name": name, **row}) + "\n")
    desk.stand_for(plain, str(path))
    return plain


def _is_pair(each: Any) -> bool:
    return isinstance(each, list) and len(each) == 2 and isinstance(each[0], str)


def _words(column: pa.ChunkedArray) -> list[str | None]:
    return [None if cell is None else str(cell) for cell in column.to_pylist()]


def _naming_column(
    table: pa.Table, index: FileIndex, folders: tuple[str, ...], path: Path, medium: Medium
) -> str:
    """The column whose cells name most files, each another one.

    Raises:
        UsageError: none does.
    """
    import pyarrow as pa

    best, most = "", 0
    for every in (max(1, table.num_rows // TRIED), 1):
        tried = table.take(pa.array(range(0, table.num_rows, every), pa.int64()))
        for name in sorted(table.column_names, key=_likely):
            kind = table.schema.field(name).type
            if not (pa.types.is_string(kind) or pa.types.is_integer(kind)):
                continue
            cells = {cell for cell in _words(tried[name]) if cell}
            found = {index.find(cell, folders) for cell in cells} - {None}
            if len(found) > most:
                best, most = name, len(found)
        if best:
            return best
    raise UsageError(
        f"no column of the labels names the {medium.many} of the folder",
        where=str(path),
        hint=f"One column should hold file names, such as {index.places[0]}.",
    )


def _likely(name: str) -> int:
    return LIKELY.index(name.lower()) if name.lower() in LIKELY else len(LIKELY)


def _joined(parts: list[pa.Table], tables: list[Path]) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LeptonError(
            "the tables of labels do not have the same columns",
            where=f"{tables[1]} beside {tables[0]}",
            hint="Make the columns of one name alike in all of them.",
        ) from error


def _named_apart(desk: Desk, facts: pa.Table, medium: Medium) -> pa.Table:
    """The table with other names for columns that are called like those beside them."""
    taken = {medium.column, "path", *(name for name, _ in medium.tells)}
    names = []
    for name in facts.column_names:
        free, number = name, 1
        while free.lower() in taken:
            free, number = f"{name}_{number}", number + 1
        if free != name:
            desk.note(f'the column "{name}" of the labels is called {quoted(free)} here')
        taken.add(free.lower())
        names.append(free)
    return facts.rename_columns(names)


def _utf8(places: Iterable[str]) -> list[str]:
    return [place.encode(errors="surrogateescape").decode(errors="replace") for place in places]
