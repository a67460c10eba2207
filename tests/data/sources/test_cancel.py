"""An import can be given up while any of its readers works; the lake is as it was."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from core.data.lake.lake import Lake
from core.data.sources import Reading, import_source
from core.errors import Cancelled
from tests.data.conftest import state
from tests.data.sources.files import write

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def zipped(folder: Path) -> Path:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for i in range(3):
            archive.writestr(f"{i}.csv", "a\n" + "1\n" * 1000)
    return write(folder / "a.zip", held.getvalue())


def texts(folder: Path) -> Path:
    for i in range(9):
        write(folder / "set" / f"{i}.txt", "a line")
    return folder / "set"


def arrow(folder: Path) -> Path:
    feather.write_feather(pa.table({"n": range(999)}), str(folder / "a.feather"))
    return folder / "a.feather"


def workbook(folder: Path) -> Path:
    book = openpyxl.Workbook()
    for i in range(9):
        book.active.append([i])
    book.save(folder / "a.xlsx")
    return folder / "a.xlsx"


def sqlite(folder: Path) -> Path:
    """A view that has no end."""
    with closing(sqlite3.connect(folder / "a.sqlite")) as db:
        db.execute(f"CREATE VIEW v AS {ENDLESS}")
        db.commit()
    return folder / "a.sqlite"


def ducks(folder: Path) -> Path:
    """A view that takes for ever to give its first row."""
    with duckdb.connect(str(folder / "a.duckdb")) as db:
        db.execute(
            "CREATE VIEW v AS SELECT sum(hash(a.i, b.i, c.i)) AS n"
            " FROM range(1000000) a(i), range(1000000) b(i), range(1000000) c(i)"
        )
    return folder / "a.duckdb"


@pytest.mark.parametrize(
    "make",
    [
        zipped,
        texts,
        arrow,
        workbook,
        sqlite,
        ducks,
        lambda folder: write(folder / "a.csv.gz", gzip.compress(b"a\n" + b"1\n" * 9999)),
    ],
)
def test_cancelling(lake: Lake, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    (tmp_path / "source").mkdir()
    source = make(tmp_path / "source")
    before = state(lake)
    with pytest.raises(Cancelled):
        import_source(lake, source, "it", Reading(should_stop=lambda: True))
    assert state(lake) == before
