"""Names as SQL takes them."""

from __future__ import annotations

import duckdb

from core.data.lake.layout import quoted, readable


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
