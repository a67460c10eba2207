"""A version opened for reading: DuckDB, in memory and private to whoever holds the view."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from core import memory
from core.data.engine import connect, interrupt
from core.data.lake.files import check_files, files_told
from core.data.lake.layout import (
    COLUMNS_AT_ONCE,
    ROW_ID,
    ColumnT,
    Layout,
    among,
    cells_of,
    literal,
    names_in,
    portions_of,
    quoted,
)
from core.data.lake.version import Version
from core.errors import UsageError, nearest
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["ROW_ID", "SPLIT", "View", "literal", "quoted"]

SPLIT = "split"
MOST_AGGREGATES = 300
WIDE = 200
COLUMNS_NEAR = 64
A_CELL = 16
"""Bytes that a cell is taken to need in memory."""
MOST_DISTINCT = 100
"""Of more columns at once than that, the number of different values is estimated."""
BATCH_SHARE = 16
"""A batch of rows is up to this part of the memory limit, by what a row takes in the files."""


class View:
    """The rows of one version. `rows` is the SQL name of the table; `_rid` identifies a row.

    A view reads immutable files, so later commits do not touch it. Use it from one thread at a
    time; only `interrupt` may be called from another.
    """

    def __init__(self, version: Version, folder: Path) -> None:
        self.version = version
        self.workspace = Workspace(folder.parent)
        self._layout = Layout(
            version,
            lambda file: str(folder / file.name),
            lambda file: names_in(folder / file.name),
        )
        self._folder = folder
        self._held = False
        self._lock = threading.Lock()
        check_files(version, folder)
        self._connection = connect(self.workspace)
        # The files never change, and the foot of one of 5,000 columns takes as long as a page.
        self._connection.execute("SET parquet_metadata_cache = true")
        self._viewed = False
        self._near: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB behind the view, for whoever builds on its `rows`."""
        if not self._viewed:
            # Only for who asks: of a table of 5,000 columns it takes a tenth of a second.
            self._connection.execute(f"CREATE VIEW rows AS {self._layout.joined()}")
            self._viewed = True
        return self._connection

    def interrupt(self) -> None:
        """Stop the query that another thread is waiting for; it raises there."""
        interrupt(self._connection)

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query over `rows` and fetch its whole answer.

        Raises:
            LeptonError: the version was removed in the meantime.
        """
        with self._told():
            return list(self.connection.execute(query, list(parameters)).fetchall())

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        """The whole answer to a query that reads the files themselves."""
        with self._told():
            return list(self._connection.execute(query).fetchall())

    def arrow(self, query: str) -> pa.Table:
        """Run one query over `rows` and fetch its answer as an Arrow table.

        Raises:
            LeptonError: the version was removed in the meantime.
        """
        with self._told():
            return self.connection.sql(query).to_arrow_table()

    def stream(self, query: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Run one query over `rows` and stream its answer, so many rows at a time.

        Raises:
            LeptonError: the version was removed in the meantime, or a file of it is damaged.
        """
        return self._stream(self.connection, query, rows)

    def _stream(
        self, connection: duckdb.DuckDBPyConnection, query: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        with files_told(self.version, self._folder):
            yield from connection.sql(query).to_arrow_reader(rows)

    def hold(self) -> None:
        """Keep the rows of a wide version in memory, for whoever asks something of each column.

        A query over files looks at all their columns first: of 5,000 that takes 100 ms, and 2 ms
        over a table. Rows that would fill too much of the memory, and media, stay where they are.
        """
        columns = self.version.columns
        cells = self.version.rows * len(columns)
        if (
            self._held
            or not self.wide
            or any(column.media for column in columns)
            or cells * A_CELL > memory.limit() / 4
        ):
            return
        with self._told():
            self.connection.execute("CREATE TABLE held AS SELECT * FROM rows")
            self.connection.execute("DROP VIEW rows")
            self.connection.execute("ALTER TABLE held RENAME TO rows")
        self._held = True

    def _most(self, columns: Sequence[str]) -> int:
        """How many rows fit into a batch; of numbers, and of short texts, very many."""
        if not any(self.version.column(name).type in ("BLOB", "VARCHAR") for name in columns):
            return sys.maxsize
        files = sum(file.bytes for file in self.version.files if file.provides is None)
        return max(1, memory.limit() // BATCH_SHARE * self.version.rows // max(1, files))

    @property
    def wide(self) -> bool:
        """Whether there are too many columns to name each of them in a query."""
        return len(self.version.columns) >= WIDE

    def portions(self, columns: Sequence[ColumnT]) -> Iterator[Sequence[ColumnT]]:
        """As many of the columns as one query over their `cells` does best with."""
        return portions_of(columns, COLUMNS_AT_ONCE if self.wide else 1)

    def cells(self, columns: Sequence[str], kind: str | None = None) -> str:
        """SQL for the cells of some columns of one type as rows `(_rid, name, cell)`."""
        rows = "rows" if self._held else f"({self._layout.joined(columns=columns)})"
        return cells_of(rows, columns, ROW_ID, kind)

    def near(self, column: str) -> str:
        """The SQL name of a table with this column and few others, for a query of it alone.

        Of a held version's rows it is a part, made when the first of its columns is asked for: that
        a table has 5,000 columns takes a query of one longer than the query.
        """
        if not self._held:
            return "rows"
        names = self.version.column_names
        part = names.index(column) // COLUMNS_NEAR
        if part != self._near:
            listed = ", ".join(map(quoted, names[part * COLUMNS_NEAR : (part + 1) * COLUMNS_NEAR]))
            self.sql(f"CREATE OR REPLACE TABLE near AS SELECT {ROW_ID}, {listed} FROM rows")
            self._near = part
        return "near"

    def of_each(
        self, columns: Sequence[str], asked: Callable[[str], Mapping[str, str]]
    ) -> dict[str, dict[str, Any]]:
        """The same aggregates of each of some columns of one type, by the column's name.

        `asked` makes their SQL, each under a name, of what a column is called in SQL.
        """
        found: dict[str, dict[str, Any]] = {}
        if self.wide:
            wanted = asked("cell")
            for part in self.portions(columns):
                query = f"SELECT name, {', '.join(wanted.values())} FROM {self.cells(part)}"
                for name, *row in self.sql(f"{query} GROUP BY name"):
                    found[name] = dict(zip(wanted, row, strict=True))
            return found
        each = {column: asked(quoted(column)) for column in columns}
        values = iter(self.aggregates([sql for of_one in each.values() for sql in of_one.values()]))
        return {column: {key: next(values) for key in of_one} for column, of_one in each.items()}

    def aggregates(self, wanted: Sequence[str]) -> list[Any]:
        """One value of all rows for each SQL aggregate, in as few passes as DuckDB does well.

        What it takes for a query grows faster than the aggregates in it. For the same of each
        column there is `of_each`.
        """
        found: list[Any] = []
        for at in range(0, len(wanted), MOST_AGGREGATES):
            listed = ", ".join(wanted[at : at + MOST_AGGREGATES])
            found += self.sql(f"SELECT {listed} FROM rows")[0]
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """One query at a time, in which a file that is gone or damaged is told as such."""
        with self._lock, files_told(self.version, self._folder):
            yield

    def query(self, columns: Sequence[str] | None = None) -> str:
        """SQL that reads the rows, or `_rid` and a few columns of them, in any DuckDB."""
        return self._layout.joined(columns=columns)

    def count(self, split: str | None = None) -> int:
        """Rows in the version, or in one split of it."""
        if split is None:
            return self.version.rows
        return int(self.sql(f"SELECT count(*) FROM rows WHERE {SPLIT} = ?", [split])[0][0])

    def splits(self) -> dict[str, int]:
        """Rows in each split; empty when the version has no split column."""
        if SPLIT not in self.version.column_names:
            return {}
        found = self.sql(
            f"SELECT {SPLIT}, count(*) FROM rows WHERE {SPLIT} IS NOT NULL GROUP BY 1 ORDER BY 1"
        )
        return dict(found)

    def check_split(self, name: str, *others: str) -> None:
        """Whether there is such a split, or it is one of the `others`.

        Raises:
            UsageError: there is not.
        """
        known = [*self.splits(), *others]
        if name not in known:
            what = f'{self.version.ref} has no split "{name}"'
            raise UsageError(what, hint=nearest(name, known))

    def page(
        self, offset: int, limit: int, columns: Sequence[str] | None = None
    ) -> list[tuple[Any, ...]]:
        """Up to `limit` rows from row `offset` on, each as `(_rid, *columns)`.

        The limit goes into the scan, so a page in the middle of ten million rows costs
        milliseconds.
        """
        names = columns if columns is not None else self.version.column_names
        few = f"(SELECT * FROM {self._layout.base(names)} LIMIT {int(limit)} OFFSET {int(offset)})"
        return self._fetch(f"{self._of(few, names)} ORDER BY b.{ROW_ID}")

    def rows(
        self, ids: Sequence[int], columns: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """The rows of these ids, in the order asked for; unknown ids are left out."""
        names = columns if columns is not None else self.version.column_names
        heads = (ROW_ID, *names)
        return [dict(zip(heads, row, strict=True)) for row in self.at(ids, names)]

    def at(self, ids: Sequence[int], columns: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        """The rows of these ids as `(_rid, *columns)`, in the order asked for."""
        names = columns if columns is not None else self.version.column_names
        wanted = [int(i) for i in ids]
        few = f"(SELECT * FROM {self._layout.base(names)} WHERE {among(wanted)})"
        found = self._fetch(self._of(few, names, wanted))
        by_id = {row[0]: row for row in found}
        return [by_id[i] for i in wanted if i in by_id]

    def _of(self, few: str, names: Sequence[str], ids: Sequence[int] | None = None) -> str:
        """SQL for `(_rid, *names)` of a part of the base rows, `b`."""
        joined = self._layout.joined(few, names, ids)
        if len(set(names)) == len(names):
            return joined
        return f"SELECT {', '.join(quoted(name) for name in (ROW_ID, *names))} FROM ({joined}) b"

    def batches(
        self,
        columns: Sequence[str],
        *,
        split: str | None = None,
        rows: int = 4096,
        after: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Stream `(_rid, *columns)` in row order, optionally of one split, or behind a row id.

        The files lie in row order and overlays are looked up by row id, so nothing is sorted and
        memory stays at a few batches, however large the rows are: of large pictures a batch has
        fewer than `rows`.
        """
        import numpy as np
        import pyarrow as pa

        wanted = [*dict.fromkeys(columns)]
        for name in wanted:
            self.version.column(name)
        provider = self._layout.providers()
        needed = {*wanted, SPLIT} if split is not None else {*wanted}
        with files_told(self.version, self._folder):
            overlays = {
                number: self._connection.sql(
                    f"SELECT * FROM {self._layout.file(number)} ORDER BY {ROW_ID}"
                ).to_arrow_table()
                for number in {provider[name] for name in needed if name in provider}
            }
        own = [name for name in wanted if name not in provider]
        if split is not None and SPLIT not in provider and SPLIT not in own:
            self.version.column(SPLIT)
            own.append(SPLIT)
        listed = ", ".join(quoted(name) for name in (ROW_ID, *own))
        where = "" if after is None else f" WHERE {ROW_ID} > {int(after)}"
        scan = f"SELECT {listed} FROM {self._layout.base(own)}{where}"
        for batch in self._stream(self._connection, scan, min(rows, self._most(own))):
            table = pa.Table.from_batches([batch])
            ids = table[ROW_ID].to_numpy()
            for number, overlay in overlays.items():
                keys = overlay[ROW_ID].to_numpy()
                at = np.searchsorted(keys, ids).clip(max=max(len(keys) - 1, 0))
                found = keys[at] == ids if len(keys) else np.zeros(len(ids), bool)
                taken = overlay.take(pa.array(at, mask=~found))
                for name in overlay.column_names:
                    if provider.get(name) == number and name in needed:
                        table = table.append_column(name, taken[name])
            if split is not None:
                import pyarrow.compute as pc

                table = table.filter(pc.equal(table[SPLIT], split))
            yield from table.select([ROW_ID, *wanted]).combine_chunks().to_batches()
