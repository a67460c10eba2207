"""The SQL over the files of a version, wherever those are read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from core.data.lake.version import DataFile, Version

ROW_ID = "_rid"
COLUMNS_AT_ONCE = 250
"""So many columns are one query over their cells."""

ColumnT = TypeVar("ColumnT")


def file_list(paths: Sequence[Path]) -> str:
    """The SQL list of files that DuckDB takes."""
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


def quoted(identifier: str) -> str:
    """An SQL identifier, whatever characters the name holds."""
    return '"' + identifier.replace('"', '""') + '"'


def readable(identifier: str) -> str:
    """An SQL identifier with quotes only where it needs them, for SQL that a person reads."""
    simple = re.fullmatch(r"[a-z_][a-z0-9_]*", identifier) and identifier not in _keywords()
    return identifier if simple else quoted(identifier)


@lru_cache(maxsize=1)
def _keywords() -> frozenset[str]:
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords()"
            " WHERE keyword_category IN ('reserved', 'type_function')"
        ).fetchall()
    return frozenset(name for (name,) in found)


def literal(text: str) -> str:
    """An SQL string, for the statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def sum_of(terms: Iterable[str]) -> str:
    """SQL for a sum, of which DuckDB takes a thousand terms in a row and more only in brackets."""
    left = list(terms)
    while len(left) > 1:
        left = [f"({' + '.join(left[at : at + 100])})" for at in range(0, len(left), 100)]
    return left[0] if left else "0"


def among(ids: Sequence[int]) -> str:
    """The condition that a row is one of these; written out, so that whole groups are skipped."""
    return f"{ROW_ID} IN ({', '.join(map(str, ids))})" if ids else "false"


def cells_of(rows: str, columns: Sequence[str], kept: str = "", kind: str | None = None) -> str:
    """SQL for the cells of some columns of one type as rows `(name, cell)`, `kept` before them.

    Grouped by `name` it answers for all of them at once. To plan a query with an expression for
    each of 5,000 columns takes DuckDB ten times as long as to run it. `kind` is a type to cast to.
    """
    listed = [
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" if kind else quoted(name)
        for name in columns
    ]
    source = f"(SELECT {', '.join(filter(None, (kept, *listed)))} FROM {rows})"
    if len(columns) == 1:
        (name,) = columns
        heads = (
            kept and kept.rsplit(maxsplit=1)[-1],
            f"{literal(name)} AS name",
            f"{quoted(name)} AS cell",
        )
        return f"(SELECT {', '.join(filter(None, heads))} FROM {source})"
    names = ", ".join(map(quoted, columns))
    return f"({source} UNPIVOT INCLUDE NULLS (cell FOR name IN ({names})))"


def portions_of(columns: Sequence[ColumnT], at_once: int) -> Iterator[Sequence[ColumnT]]:
    """The columns, so many of them at a time."""
    for at in range(0, len(columns), at_once):
        yield columns[at : at + at_once]


def rows_of(path: str, first: int | None = None, listed: str = "*") -> str:
    """SQL for the rows of a file, with their ids and the columns that are `listed`.

    A file without ids has them by the place of its rows, from `first` on.
    """
    if first is None:
        own = "*" if listed == "*" else ", ".join(filter(None, (ROW_ID, listed)))
        return f"SELECT {own} FROM read_parquet({literal(path)})"
    place = f"file_row_number + {first}" if first else "file_row_number"
    own = "* EXCLUDE (file_row_number)" if listed == "*" else listed
    heads = ", ".join(filter(None, (f"{place} AS {ROW_ID}", own)))
    return f"SELECT {heads} FROM read_parquet({literal(path)}, file_row_number = true)"


@lru_cache(maxsize=64)
def names_in(path: Path) -> frozenset[str]:
    """The columns of a file of the lake, which never changes, in small letters."""
    import pyarrow.parquet as pq

    return frozenset(name.lower() for name in pq.read_schema(path).names)


class Layout:
    """How the files of a version make up its rows.

    `place` says where a file is read from, and `names` which columns it has, in small letters: for
    whoever reads a few of them where there are several files.
    """

    def __init__(
        self,
        version: Version,
        place: Callable[[DataFile], str],
        names: Callable[[DataFile], frozenset[str]] | None = None,
    ) -> None:
        self.version = version
        self._place = place
        self._names = names

    def providers(self) -> dict[str, int]:
        """Which overlay file gives each overlaid column; the last one wins."""
        return {
            name: number
            for number, file in enumerate(self.version.files)
            for name in file.provides or ()
        }

    def file(self, number: int) -> str:
        """SQL for one file as it is."""
        return f"read_parquet({literal(self._place(self.version.files[number]))})"

    def base(self, columns: Iterable[str] | None = None) -> str:
        """SQL for the rows in their order, without what is laid over them.

        With `columns` it may hold those alone: of 5,000 DuckDB looks at each, which takes ten times
        as long as to read a few.
        """
        files = [file for file in self.version.files if file.provides is None]
        laid_over = self.providers()
        own = None
        if columns is not None and (len(files) == 1 or self._names is not None):
            own = [*dict.fromkeys(name for name in columns if name not in laid_over)]
        listed = (
            rows_of(self._place(file), file.first, self._listed(file, own, len(files)))
            for file in files
        )
        return f"({' UNION ALL BY NAME '.join(listed)})"

    def _listed(self, file: DataFile, own: list[str] | None, files: int) -> str:
        """The SQL list of those of the columns that a base file has; of all where it is None."""
        if own is None:
            return "*"
        if files > 1 and self._names is not None:
            # A later file may lack a column, such as a split, which is then missing in its rows.
            there = self._names(file)
            own = [name for name in own if name.lower() in there]
        return ", ".join(map(quoted, own))

    def joined(
        self,
        base: str | None = None,
        columns: Sequence[str] | None = None,
        ids: Sequence[int] | None = None,
    ) -> str:
        """SQL for the base rows (or a part of them) with the overlays they need joined on.

        `ids` are those of the part, if they are known: then only they are looked up.
        """
        provider = self.providers()
        names = columns if columns is not None else self.version.column_names
        parts = [f"SELECT b.{ROW_ID}"]
        for name in dict.fromkeys(names):
            self.version.column(name)
            table = f"o{provider[name]}" if name in provider else "b"
            parts.append(f", {table}.{quoted(name)}")
        parts.append(f" FROM {base or self.base(columns)} b")
        for number in sorted({provider[name] for name in names if name in provider}):
            table = self.file(number)
            if ids is not None:
                table = f"(SELECT * FROM {table} WHERE {among(ids)})"
            parts.append(f" LEFT JOIN {table} o{number} ON b.{ROW_ID} = o{number}.{ROW_ID}")
        return "".join(parts)
