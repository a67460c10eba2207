"""The same ten million rows brought in and cleaned: duplicates dropped, gaps filled, scaled."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.sources import Reading, import_source
from core.workspace import Workspace
from tests.benchmarks.big_import import AS_THE_LAKE, ROWS, fresh, make
from tests.benchmarks.measure import Result, in_turns

REPEATS = 2
RECIPE = Recipe.from_words(
    [
        "drop-duplicates",
        "fill columns=a,b,age with=median",
        "scale columns=a,b,c,d how=standard",
    ]
)


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.csv"
        make(source)
        ours, bare, pandas, polars = in_turns(
            REPEATS,
            lambda: fresh(folder, lambda home: _ours(home, source)),
            lambda: fresh(folder, lambda home: _bare(home, source)),
            lambda: fresh(folder, lambda home: _pandas(home, source)),
            lambda: fresh(folder, lambda home: _polars(home, source)),
        )
    name = f"import and clean {ROWS / 1e6:g} M rows"
    return [
        Result(f"{name} / bare DuckDB", ours, bare, "s", 1.25),
        Result(f"{name} / pandas", ours, pandas, "s", 0.4),
        Result(f"{name} / polars", ours, polars, "s", 1.1),
    ]


def _ours(home: Path, source: Path) -> None:
    import_source(Lake(Workspace.open(home)), source, reading=Reading(recipe=RECIPE))


def _bare(home: Path, source: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{home}'")
        connection.execute(f"CREATE TABLE t AS SELECT DISTINCT * FROM read_csv('{source}')")
        connection.execute(
            "CREATE TABLE m AS SELECT median(a) AS a, median(b) AS b, median(age) AS age FROM t"
        )
        filled = "t.* REPLACE (coalesce(t.a, m.a) AS a, coalesce(t.b, m.b) AS b,"
        filled += " coalesce(t.age, m.age) AS age)"
        connection.execute(f"CREATE VIEW f AS SELECT {filled} FROM t, m")
        figures = ", ".join(f"avg({c}) AS mean_{c}, stddev_pop({c}) AS std_{c}" for c in "abcd")
        connection.execute(f"CREATE TABLE s AS SELECT {figures} FROM f")
        scaled = ", ".join(f"(f.{c} - mean_{c}) / std_{c} AS {c}" for c in "abcd")
        query = f"SELECT f.* REPLACE ({scaled}) FROM f, s"
        connection.execute(f"COPY ({query}) TO '{home / 'rows.parquet'}' {AS_THE_LAKE}").fetchall()


def _pandas(home: Path, source: Path) -> None:
    import pandas

    rows = pandas.read_csv(source, parse_dates=["time"]).drop_duplicates()
    for column in ("a", "b", "age"):
        rows[column] = rows[column].fillna(rows[column].median())
    for column in "abcd":
        rows[column] = (rows[column] - rows[column].mean()) / rows[column].std(ddof=0)
    rows.to_parquet(home / "rows.parquet", compression="zstd")


def _polars(home: Path, source: Path) -> None:
    import polars as pl

    rows = pl.scan_csv(source, try_parse_dates=True).unique()
    rows = rows.with_columns(pl.col(c).fill_null(pl.col(c).median()) for c in ("a", "b", "age"))
    rows = rows.with_columns((pl.col(c) - pl.col(c).mean()) / pl.col(c).std(ddof=0) for c in "abcd")
    rows.sink_parquet(home / "rows.parquet", compression="zstd")
