"""Parquet files: one, a folder of them, or a pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.layout import file_list
from core.data.sources.columns import hand_over, lake_type
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_kind import suffix_of
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8_192


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files anywhere in a folder, in the order of their names."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and suffix_of(path) in (".parquet", ".pq")
    )


def read_parquet(desk: Desk, files: list[Path]) -> Arrived:
    """Read Parquet files of one schema as one table.

    Every value is decoded once by a second reader before anything is kept, for DuckDB reads a
    file with altered bytes without complaint.

    Raises:
        LeptonError: a file is cut short or damaged, or the files do not have the same columns.
        UsageError: there is none, or there are no rows.
    """
    import duckdb

    files = [file for path in files for file in (parquet_files(path) if path.is_dir() else [path])]
    if not files:
        raise UsageError(
            "there is no Parquet file", where=str(desk.source), hint="Name a file or its folder."
        )
    rows = 0
    names: list[str] = []
    for number, path in enumerate(files, 1):
        count, columns = _verify(path)
        rows += count
        names = names or columns
        if columns != names:
            odd = sorted(set(columns) ^ set(names))
            raise LeptonError(
                "the Parquet files do not have the same columns"
                + (f": {', '.join(odd[:5])}" if odd else ", or not in the same order"),
                where=f"{path} beside {files[0]}",
                hint="Import files of one schema at a time.",
            )
        desk.progress(number, len(files))
    if not rows:
        raise UsageError(
            "there are no rows in it", where=str(desk.source), hint="Name a file that holds data."
        )
    try:
        desk.connection.execute(
            f"CREATE TEMP VIEW arrived AS SELECT * FROM read_parquet({file_list(files)},"
            " hive_partitioning = false)"
        )
        described = desk.connection.execute("DESCRIBE arrived").fetchall()
        outs = [lake_type(desk, name, kind) for name, kind, *_ in described]
        return hand_over(desk, "arrived", outs)
    except duckdb.Error as error:
        raise LeptonError(
            "the Parquet files do not go together",
            where=f"{desk.source}: {str(error).splitlines()[0][:200]}",
            hint="Import files of one schema at a time.",
        ) from error


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, each group of them held against its own statistics.

    Raises:
        LeptonError: a group says other things of its values than they are.
        ArrowException, OSError: the file is damaged.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            _hold_against_statistics(path, file.metadata.row_group(group), table)
            yield from table.to_batches(ROWS)


def _verify(path: Path) -> tuple[int, list[str]]:
    """Decode a whole file, hold it against its own statistics; its count of rows, its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                _hold_against_statistics(path, file.metadata.row_group(group), table)
            return int(file.metadata.num_rows), list(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise LeptonError(
            "the Parquet file is cut short or damaged",
            where=f"{path}: {str(error).splitlines()[0][:160]}",
            hint="Copy or download it again.",
        ) from error


def _hold_against_statistics(path: Path, group: Any, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Of thousands of columns the names are a list that is made anew whenever it is asked for.
    names = frozenset(table.column_names)
    for i in range(group.num_columns):
        chunk = group.column(i)
        name, known = chunk.path_in_schema, chunk.statistics
        if known is None or not known.has_min_max or name not in names:
            continue
        values = table[name]
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            continue
        if pa.types.is_floating(values.type):
            values = values.filter(pc.invert(pc.is_nan(values)))
        found = pc.min_max(values).as_py()
        if found["min"] is None or math.isnan(float(known.min)) or math.isnan(float(known.max)):
            continue
        if found["min"] < known.min or found["max"] > known.max:
            raise LeptonError(
                f'the Parquet file is damaged: column "{name}" holds a value outside the range that'
                " the file itself gives for it",
                where=str(path),
                hint="Copy or download it again.",
            )
