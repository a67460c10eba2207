"""Names as SQL takes them."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from core.data.lake.lake import Lake
from core.data.lake.layout import Layout, quoted, readable
from core.data.lake.rows_file import copy_rows


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


def test_of_several_files_each_is_read_for_the_columns_it_has(lake: Lake) -> None:
    rows = {f"C{n}": [n, n + 1] for n in range(50)}
    first = lake.commit("wide", pa.table({**rows, "split": ["a", "b"]}), op="import")
    staged = lake.workspace.tmp / "more.parquet"
    with duckdb.connect() as db:
        named = ", ".join(f"{100 + n} AS c{n}" for n in range(50))
        copy_rows(db, f"SELECT {named}", staged)
    version = lake.append(first, staged, op="append")
    assert len([file for file in version.files if file.provides is None]) == 2
    with lake.open(version) as view:
        for query in (view.query(["C7", "split"]), view.query(["split"]), view.query([])):
            assert "*" not in query
        assert view.query(["C7", "split"]).count('"C7"') == 3, "not more often than it is needed"
        assert view.page(1, 9, ["C7", "split"]) == [(1, 8, "b"), (2, 107, None)]
        assert view.page(0, 9, ["split"]) == [(0, "a"), (1, "b"), (2, None)]
        assert view.at([2, 0], ["C49", "C1"]) == [(2, 149, 101), (0, 49, 1)]
        assert view.page(0, 9, []) == [(0,), (1,), (2,)]
        *_, batch = view.batches(["split", "C1"], rows=10)
        assert batch.to_pylist()[-1] == {"_rid": 2, "split": None, "C1": 101}
