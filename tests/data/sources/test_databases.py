"""SQLite and DuckDB files: one table of several, loose types, other processes, hostile views."""

from __future__ import annotations

import datetime
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            'CREATE TABLE goods (id INTEGER, "na""me" TEXT, price REAL, pic BLOB, sold BOOLEAN,'
            " day DATE, zip TEXT, loose, empty)"
        )
        rows = [
            (1, "a", 1.5, b"\1", 0, "2026-01-01", "0123", 1),
            (2, "b", 2, None, 1, "2026-01-02", "0456", "2.5"),
            (None, "c", 3.25, b"\2", None, None, "9999", 3),
        ]
        db.executemany("INSERT INTO goods VALUES (?,?,?,?,?,?,?,?,NULL)", rows)
        db.commit()
    return path


def test_sqlite_types_are_those_of_all_cells(lake: Lake, sqlite: Path) -> None:
    report, rows = read(lake, sqlite)
    assert types(report) == {
        "id": "BIGINT",
        'na"me': "VARCHAR",
        "price": "DOUBLE",
        "pic": "BLOB",
        "sold": "BOOLEAN",
        "day": "DATE",
        "zip": "VARCHAR",
        "loose": "DOUBLE",
        "empty": "VARCHAR",
    }
    day = datetime.date(2026, 1, 2)
    assert rows[1] == (2, "b", 2.0, None, True, day, "0456", 2.5, None)


def test_sqlite_types_may_be_said(lake: Lake, sqlite: Path) -> None:
    assert types(read(lake, sqlite, types={"id": "text"})[0])["id"] == "VARCHAR"


def test_a_flag_that_is_not_only_0_and_1_is_a_number(lake: Lake, sqlite: Path) -> None:
    with closing(sqlite3.connect(sqlite)) as db:
        db.execute("INSERT INTO goods (sold) VALUES (2)")
        db.commit()
    assert types(read(lake, sqlite)[0])["sold"] == "BIGINT"


def test_bytes_among_texts_lose_nothing(lake: Lake, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(b"\xff",), ("é",), (7,), (None,)])
        db.commit()
    report, rows = read(lake, tmp_path / "a.db")
    assert [x for (x,) in rows] == [b"\xff", "é".encode(), b"7", None]
    assert any("bytes and other values" in note for note in report.notes)


def test_words_among_numbers_are_rejected_as_in_csv(lake: Lake, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t (n)")
        db.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(50)] + [("oops",)])
        db.commit()
    report, rows = read(lake, tmp_path / "a.db")
    assert len(rows) == 50
    assert [(r.where, r.value) for r in report.rejects] == [("row 51", "oops")]


def test_one_of_several_sqlite_tables(lake: Lake, sqlite: Path, refuses: Refuses) -> None:
    with closing(sqlite3.connect(sqlite)) as db:
        db.execute('CREATE TABLE "or der" (n)')
        db.execute('INSERT INTO "or der" VALUES (1)')
        db.execute("CREATE VIEW cheap AS SELECT id FROM goods WHERE price < 2")
        db.commit()
    error = refuses(sqlite, "there are 2 tables in the database", code=2)
    assert "goods, or der" in error.hint
    assert read(lake, sqlite, table="OR DER")[1] == [(1,)]
    assert read(lake, sqlite, table="cheap")[1] == [(1,)]
    error = refuses(sqlite, 'no table "good"', code=2, said=Options(table="good"))
    assert '"goods"' in error.hint


def test_sqlite_in_wal_mode_is_read_without_a_trace(lake: Lake, sqlite: Path) -> None:
    with closing(sqlite3.connect(sqlite)) as db:
        db.execute("PRAGMA journal_mode = wal")
    before = sorted(path.name for path in sqlite.parent.iterdir())
    assert len(read(lake, sqlite)[1]) == 3
    assert sorted(path.name for path in sqlite.parent.iterdir()) == before


def test_sqlite_beside_a_writer_shows_what_is_committed(lake: Lake, sqlite: Path) -> None:
    with closing(sqlite3.connect(sqlite)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("INSERT INTO goods (id) VALUES (4)")
        db.commit()
        db.execute("INSERT INTO goods (id) VALUES (5)")
        assert [row[0] for row in read(lake, sqlite)[1]] == [1, 2, None, 4]
        db.commit()
        assert len(read(lake, sqlite)[1]) == 5


def test_a_damaged_sqlite_file(sqlite: Path, tmp_path: Path, refuses: Refuses) -> None:
    with closing(sqlite3.connect(sqlite)) as db:
        db.executemany("INSERT INTO goods (zip) VALUES (?)", [("x" * 500,)] * 2000)
        db.commit()
    content = sqlite.read_bytes()
    refuses(write(tmp_path / "cut.sqlite", content[: len(content) // 2]), "cannot be read")
    noisy = bytearray(content)
    for at in range(8192, len(noisy), 4096):
        noisy[at : at + 12] = b"\xff" * 12
    refuses(write(tmp_path / "bad.sqlite", bytes(noisy)), "cannot be read")


def test_an_sqlite_file_without_tables_or_rows(tmp_path: Path, refuses: Refuses) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
        db.commit()
        refuses(path, 'the table "t" has no rows', code=2)
        db.execute("DROP TABLE t")
        db.commit()
    refuses(path, "there is no table", code=2)


@pytest.fixture
def ducks(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute(
            """CREATE TABLE goods AS SELECT i AS id, 'n' || i AS "na""me", {'k': i} AS deep,
               i::HUGEINT AS huge, 'a'::ENUM('a', 'b') AS word, uuid() AS key,
               TIMESTAMPTZ '2026-01-01 12:00:00+02' AS "when", [i] AS many FROM range(5) AS r(i)"""
        )
    return path


def test_duckdb_types_become_those_of_the_lake(lake: Lake, ducks: Path) -> None:
    report, rows = read(lake, ducks)
    assert types(report) == {
        "id": "BIGINT",
        'na"me': "VARCHAR",
        "deep": "VARCHAR",
        "huge": "DOUBLE",
        "word": "VARCHAR",
        "key": "VARCHAR",
        "when": "TIMESTAMP",
        "many": "VARCHAR",
    }
    assert rows[2][:5] == (2, "n2", '{"k":2}', 2.0, "a")
    assert rows[2][6] == datetime.datetime(2026, 1, 1, 10)


def test_one_of_several_duckdb_tables(lake: Lake, ducks: Path, refuses: Refuses) -> None:
    with duckdb.connect(str(ducks)) as db:
        db.execute("CREATE SCHEMA old")
        db.execute('CREATE TABLE old."my goods" AS SELECT 7 AS n')
        db.execute("CREATE VIEW late AS SELECT id FROM goods WHERE id > 2")
    error = refuses(ducks, "there are 2 tables", code=2)
    assert "goods, old.my goods" in error.hint
    assert read(lake, ducks, table="old.my goods")[1] == [(7,)]
    assert read(lake, ducks, table="my goods")[1] == [(7,)]
    assert read(lake, ducks, table="late")[1] == [(3,), (4,)]
    refuses(ducks, 'no table "good"', code=2, said=Options(table="good"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT size FROM read_blob('/etc/hostname')",
    ],
)
def test_a_view_that_reads_files_is_refused(ducks: Path, refuses: Refuses, query: str) -> None:
    with duckdb.connect(str(ducks)) as db:
        db.execute(f"CREATE VIEW spy AS {query}")
    refuses(ducks, "reads something outside its database", said=Options(table="spy"))


def test_a_duckdb_file_in_use_elsewhere(ducks: Path, refuses: Refuses) -> None:
    program = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(ducks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        refuses(ducks, "another program has the database open")
        other.stdin.write("\n")


def test_a_damaged_duckdb_file(ducks: Path, tmp_path: Path, refuses: Refuses) -> None:
    content = bytearray(ducks.read_bytes())
    refuses(write(tmp_path / "cut.duckdb", bytes(content[:6000])), "cannot be read")
    content[4096 : 4096 + 64] = b"\xff" * 64
    refuses(write(tmp_path / "bad.duckdb", bytes(content)), "cannot be read")


def test_several_databases_at_a_time(tmp_path: Path, refuses: Refuses, ducks: Path) -> None:
    (tmp_path / "two").mkdir()
    for name in ("a", "b"):
        write(tmp_path / "two" / f"{name}.duckdb", ducks.read_bytes())
    refuses(tmp_path / "two", "several databases cannot be read as one", code=2)
