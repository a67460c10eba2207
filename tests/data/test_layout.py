"""Names as SQL takes them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from core.data.lake.lake import Lake
from core.data.lake.layout import Layout, quoted, readable


def test_a_name_has_quotes_only_where_it_needs_them() -> None:
    with duckdb.connect() as db:
        words = [
            word for (word,) in db.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
        ]
        for name in (*words, "age", "a b", "Age", "1st", 'say "so"', "größe", "_rid", "x;--"):
            db.execute(f"CREATE OR REPLACE TABLE t AS SELECT 1 AS {quoted(name)}")
            own = readable(name)
            where = f"{own} IS NULL OR {own} IN (1) AND CAST({own} AS VARCHAR) = '1'"
            assert db.execute(f"SELECT {own} FROM t WHERE {where}").fetchall() == [(1,)]
    assert [readable(name) for name in ("age", "class", "select")] == ["age", "class", '"select"']


def test_a_few_columns_are_read_without_a_look_at_the_others(lake: Lake) -> None:
    rows = {f"c{n}": [n, n + 1] for n in range(50)}
    version = lake.commit("wide", pa.table(rows), op="import")
    parts = pa.table({"_rid": [0, 1], "split": ["a", "b"]})
    split = lake.commit_columns(version, parts, op="split")
    with lake.open(split) as view:
        assert view.page(0, 9, ["c7", "split"]) == [(0, 7, "a"), (1, 8, "b")]
        assert view.page(0, 9, ["split"]) == [(0, "a"), (1, "b")]
        assert view.at([1], ["c49", "c0"]) == [(1, 50, 1)]
        assert view.page(0, 9, []) == [(0,), (1,)]
    assert "*" not in Layout(split, lambda file: file.name).joined(columns=["c7", "split"])
