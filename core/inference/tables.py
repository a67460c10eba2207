"""Rows to answer out of a table file. A line that cannot be read spoils no other."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from core.data.sources.desk import Desk
from core.data.sources.detect import detect
from core.data.sources.file_kind import suffix_of
from core.data.sources.formats import BY_SUFFIX
from core.data.sources.tables.dialect import LONGEST_LINE, sniff
from core.data.sources.tables.plain_text import plain_utf8
from core.errors import LeptonError, UsageError, nearest
from core.inference.messages import Row
from core.workspace import Workspace

LOOKED_AT = 1000
"""Rows of JSON that are asked for their columns."""


def is_table(path: Path) -> bool:
    """Whether the name says that the file is a table."""
    return suffix_of(path) in BY_SUFFIX


def table_rows(workspace: Workspace, path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV, TSV, JSON Lines or Parquet file, with these columns of it, as they come.

    Raises:
        UsageError: the file is missing, empty, not what its name says, or lacks a column.
        LeptonError: it is damaged as a whole.
    """
    kind = detect(path)
    with Desk(workspace, path) as desk:
        if kind in ("csv", "tsv"):
            yield from _delimited(desk, path, columns, tabs=kind == "tsv")
            return
        if kind == "jsonl":
            yield from _json(desk, path, columns)
            return
    if kind == "parquet" and path.is_file():
        yield from _parquet(path, columns)
        return
    raise UsageError(
        "this is no table", where=str(path), hint="Name a CSV, JSON Lines or Parquet file."
    )


def require(columns: Sequence[str], there: Sequence[str], where: str, hint: str = "") -> None:
    """Refuse rows that lack a column the model reads.

    Raises:
        UsageError: names every missing column.
    """
    missing = [name for name in columns if name not in there]
    if missing:
        named = ", ".join(f'"{name}"' for name in missing)
        raise UsageError(
            f"the model reads the column{'s' * (len(missing) > 1)} {named}, missing here",
            where=where,
            hint=hint or nearest(missing[0], there),
        )


def _delimited(desk: Desk, path: Path, columns: Sequence[str], *, tabs: bool) -> Iterator[Row]:
    text = plain_utf8(desk, path)
    dialect = sniff(desk, text, tabs=tabs)
    require(columns, dialect.names, str(path))
    at = [dialect.names.index(name) for name in columns]
    csv.field_size_limit(LONGEST_LINE)
    with text.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter)
        records = (record for record in reader if record)
        if dialect.header:
            next(records)
        for record in records:
            label = f"{path.name}:{reader.line_num}"
            if len(record) == len(dialect.names):
                # An empty cell is a missing value, as it is on import.
                yield Row(
                    label, {name: record[i] or None for name, i in zip(columns, at, strict=True)}
                )
            else:
                what = f"the line has {len(record)} fields, the header {len(dialect.names)}"
                yield Row(label, error=LeptonError(what, where=f"{path}, line {reader.line_num}"))


def _json(desk: Desk, path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with plain_utf8(desk, path).open(encoding="utf-8-sig", newline="\n") as file:
        found = _values(file)
        first = list(islice(found, LOOKED_AT))
        named = [value for _, value in first if isinstance(value, Mapping)]
        there = dict.fromkeys(key for value in named for key in value)
        if there:
            require(columns, tuple(there), str(path))
        for number, value in chain(first, found):
            yield _object(f"{path.name}:{number}", value, columns, path)


def _values(file: TextIO) -> Iterator[tuple[int, Any]]:
    """The rows, numbered: each a line, or all of them one value over several lines."""
    head = file.readline()
    while head and not head.strip():
        head = file.readline()
    file.seek(0)
    if isinstance(_line(head), Mapping):
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _line(line)
        return
    text = file.read()
    try:
        whole = json.loads(text)
    except ValueError:
        lines = enumerate(text.split("\n"), 1)
        yield from ((number, _line(line)) for number, line in lines if line.strip())
    else:
        yield from enumerate(whole if isinstance(whole, list) else [whole], 1)


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return error


def _object(label: str, value: Any, columns: Sequence[str], path: Path) -> Row:
    if isinstance(value, Mapping):
        return Row(label, {name: value.get(name) for name in columns})
    what = f"broken JSON: {value}" if isinstance(value, ValueError) else "this is no JSON object"
    return Row(label, error=LeptonError(what, where=f"{path}, {label.rpartition(':')[2]}"))


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            require(columns, file.schema_arrow.names, str(path))
            number = 0
            for batch in file.iter_batches(columns=list(columns)):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path.name}:{number}", {n: _bytes(v) for n, v in values.items()})
    except (pa.ArrowException, OSError) as error:
        raise LeptonError(
            "the Parquet file is cut short or damaged",
            where=f"{path}: {str(error).splitlines()[0]}",
        ) from error


def _bytes(value: Any) -> Any:
    """The bytes of an image in the form that Hugging Face data sets have it."""
    return (
        value["bytes"] if isinstance(value, dict) and value.keys() == {"bytes", "path"} else value
    )
