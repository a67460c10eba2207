"""A CSV of ten million rows and ten columns, with duplicates, gaps and outliers, brought in."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds

ROWS = int(os.environ.get("LEPTON_BENCH_ROWS", "10_000_000"))
REPEATS = 3
AS_THE_LAKE = "(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"


def make(path: Path, rows: int = ROWS) -> None:
    """Write the CSV; 5 in 100 rows come twice."""
    columns = """i AS id, 'cat' || (hash(i) % 500) AS cat,
        ['north', 'south', 'east', 'west'][1 + CAST(hash(i + 1) % 4 AS BIGINT)] AS region,
        TIMESTAMP '2020-01-01' + to_seconds(CAST(hash(i + 2) % 100000000 AS BIGINT)) AS "time",
        CASE WHEN hash(i + 3) % 20 = 0 THEN NULL
             ELSE round((hash(i + 4) % 100000) / 1e3 + if(hash(i + 5) % 1000 = 0, 1e4, 0), 3)
        END AS a,
        CASE WHEN hash(i + 6) % 20 = 0 THEN NULL ELSE round((hash(i + 7) % 1000000) / 777, 4)
        END AS b,
        round((hash(i + 8) % 1000000) / 333, 4) AS c,
        CASE WHEN hash(i + 9) % 30 = 0 THEN NULL ELSE hash(i + 10) % 120 END AS age,
        (hash(i + 11) % 1000000) / 1e6 AS d, hash(i + 12) % 2 AS y"""
    once, twice = int(rows * 0.95), rows - int(rows * 0.95)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {columns} FROM range({once}) t(i) UNION ALL"
            f" SELECT {columns} FROM range({twice}) t(i)) TO '{path}' (HEADER)"
        )


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.csv"
        make(source)
        ours, bare, whole, pandas, polars = in_turns(
            REPEATS,
            lambda: fresh(folder, lambda home: import_source(Lake(Workspace.open(home)), source)),
            lambda: fresh(folder, lambda home: _bare(home, f"read_csv('{source}')")),
            lambda: fresh(
                folder, lambda home: _bare(home, f"read_csv('{source}', sample_size = -1)")
            ),
            lambda: fresh(folder, lambda home: _pandas(home, source)),
            lambda: fresh(folder, lambda home: _polars(home, source)),
        )
    name = f"import of {ROWS / 1e6:g} M rows"
    return [
        Result(f"{name} / bare DuckDB", ours, bare, "s", 1.25),
        Result(f"{name} / DuckDB, types by all rows", ours, whole, "s", 1.25),
        Result(f"{name} / pandas", ours, pandas, "s", 0.4),
        Result(f"{name} / polars", ours, polars, "s", 1.1),
    ]


def fresh(folder: str, work: Callable[[Path], object]) -> float:
    home = Path(folder) / "home"
    home.mkdir()
    try:
        return seconds(lambda: work(home))
    finally:
        shutil.rmtree(home)


def _bare(home: Path, rows: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        target = home / "rows.parquet"
        connection.execute(f"COPY (SELECT * FROM {rows}) TO '{target}' {AS_THE_LAKE}").fetchall()


def _pandas(home: Path, source: Path) -> None:
    import pandas

    rows = pandas.read_csv(source, parse_dates=["time"])
    rows.to_parquet(home / "rows.parquet", compression="zstd")


def _polars(home: Path, source: Path) -> None:
    import polars

    rows = polars.scan_csv(source, try_parse_dates=True)
    rows.sink_parquet(home / "rows.parquet", compression="zstd")
