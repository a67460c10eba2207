"""The Parquet files of the lake: how rows are written into one, and what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.data.lake.files import sha256_of
from core.data.lake.layout import file_list, literal
from core.data.lake.version import DataFile

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROW_GROUP = 122_880
# What DuckDB calls the place of a row in its file.
PLACE = "file_row_number"


def stage(
    con: duckdb.DuckDBPyConnection,
    rows: str | pa.Table | pa.RecordBatchReader,
    staged: Path,
    media: bool,
    in_order: bool,
) -> tuple[int, int | None]:
    """Write rows to a file: their number, and that of the first where they hold no ids."""
    query, names = _as_query(con, rows)
    first = None
    if "_rid" in names:
        query = query if in_order else f"SELECT * FROM ({query}) ORDER BY _rid"
    elif PLACE in (name.lower() for name in names):
        query = f"SELECT row_number() OVER () - 1 AS _rid, * FROM ({query})"
    else:
        # Numbering the rows in SQL would take as long as all the rest of the work.
        first = 0
    group = row_group(media)
    count = copy_rows(con, query, staged, group)
    if "_rid" in names and in_order and not _ascending(staged):
        # DuckDB keeps rows in order through most of what it does, not through all.
        count = copy_rows(con, f"SELECT * FROM ({query}) ORDER BY _rid", staged, group)
    return count, first


def _ascending(parquet: Path) -> bool:
    """Whether the rows of a file lie in the order of their ids."""
    import numpy as np
    import pyarrow.parquet as pq

    last = None
    with pq.ParquetFile(parquet) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, ["_rid"])["_rid"].to_numpy()
            if len(ids) and last is not None and ids[0] <= last:
                return False
            if not bool(np.all(ids[1:] > ids[:-1])):
                return False
            last = ids[-1] if len(ids) else last
    return True


def row_count(parquet: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(parquet).num_rows)


def _as_query(
    connection: duckdb.DuckDBPyConnection, rows: str | pa.Table | pa.RecordBatchReader
) -> tuple[str, list[str]]:
    """A query for the rows, and the names of its columns."""
    if isinstance(rows, str):
        return rows, [name for name, *_ in connection.execute(f"DESCRIBE {rows}").fetchall()]
    connection.register("arrived", rows)
    return "SELECT * FROM arrived", list(rows.schema.names)


def columns_of(con: duckdb.DuckDBPyConnection, parquet: Path) -> list[tuple[str, str]]:
    """Names and DuckDB types of a lake file's columns, but for the row id."""
    described = con.execute(
        f"DESCRIBE SELECT * FROM read_parquet({file_list([parquet])})"
    ).fetchall()
    return [(name, kind) for name, kind, *_ in described if name != "_rid"]


def row_group(media: bool) -> int:
    """Rows in a group: one of images is read whole, so it holds fewer."""
    return 2_048 if media else ROW_GROUP


def copy_rows(
    con: duckdb.DuckDBPyConnection, query: str, path: Path, group: int = ROW_GROUP
) -> int:
    """Write the rows of a query as the lake keeps them; their number."""
    ((count,),) = con.execute(
        f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd,"
        f" PARQUET_VERSION v2, ROW_GROUP_SIZE {group})"
    ).fetchall()
    return int(count)


def hashed(path: Path) -> DataFile:
    return DataFile(sha256_of(path), path.stat().st_size)
