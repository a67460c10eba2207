"""Tables of thousands of columns: nothing that looks at each of them crashes or takes for ever."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.steps import missing
from core.data.diff import diff
from core.data.engine import connect
from core.data.lake import view
from core.data.lake.lake import Lake
from core.data.profile import profile
from core.data.quality.check import check
from core.data.quality.leakage import check_leakage
from core.data.sources import columns, desk, guess, settle
from core.data.sources.tables import delimited
from core.data.splitting.split import split
from core.ingest import ingest

ROWS = 40


def write_csv(path: Path, columns: int) -> Path:
    chance = random.Random(1)
    kinds = [[str(n) for n in range(50)], ["0.5", "1.5", ""], ["red", "green", ""]]
    with path.open("w") as file:
        file.write(",".join(f"c{n}" for n in range(columns)) + "\n")
        for _ in range(ROWS):
            cells = (chance.choice(kinds[n % 3]) for n in range(columns))
            file.write(",".join(cells) + "\n")
    return path


CELLS = {
    "marked": lambda n: ["1", "2", "NA", "3"][n % 4],
    "comma": lambda n: ["1,5", "2,25", "3,0"][n % 3],
    "zero": lambda n: f"0{n}",
    "day": lambda n: f"2020-01-{n % 28 + 1:02}",
    "late": lambda n: "2020-01-02" if n != 90 else "not-a-date",
    "huge": lambda n: str(n) if n != 90 else "9" * 20,
    "zoned": lambda n: f"2020-01-02 {n % 24:02}:00:00Z",
    "truth": lambda n: ["true", "false", ""][n % 3],
    "wrong": lambda n: "oops" if n in (17, 70) else str(n),
    "long": lambda n: f"123456789012345678{n}",
    "odd": lambda n: "nan" if n == 90 else f"{n}.5",
    "word": lambda n: ["red", "green", "blue, too"][n % 3],
    "empty": lambda n: "",
    "whole": str,
}
"""Columns of all sorts, most of which need a look at all of their rows."""


def write_mixed(path: Path, times: int) -> Path:
    heads = [f"{name} {time}" for time in range(times) for name in CELLS]
    lines = [",".join(heads)]
    for n in range(100):
        cells = [f'"{cell(n)}"' for _ in range(times) for cell in CELLS.values()]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


class Counting:
    """A connection that counts what is run."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.run = 0

    def __getattr__(self, name: str) -> object:
        self.run += name in ("execute", "sql")
        return getattr(self._connection, name)


def test_columns_are_read_alike_one_by_one_and_many_at_a_time(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mixed(tmp_path / "a.csv", 2)

    def brought_in() -> tuple[object, ...]:
        report = ingest(lake.workspace, str(path), "mixed")
        left_out = [(each.where, each.what, each.column) for each in report.rejects]
        with lake.open(report.version) as opened:
            rows = opened.sql("SELECT * FROM rows ORDER BY _rid")
        kinds = {column.name: column.type for column in report.version.columns}
        return kinds, left_out, report.notes[:-1], repr(rows)

    ingest(lake.workspace, str(path), "mixed")
    kinds, left_out, notes, rows = before = brought_in()
    assert [kinds[f"{name} 1"] for name in CELLS] == [
        *("BIGINT", "DOUBLE", "VARCHAR", "DATE", "VARCHAR", "VARCHAR", "TIMESTAMP", "BOOLEAN"),
        *("BIGINT", "VARCHAR", "DOUBLE", "VARCHAR", "VARCHAR", "BIGINT"),
    ]
    assert left_out == [
        (f"line {line}", '"oops" is no whole number', f"wrong {time}")
        for time in range(2)
        for line in (19, 72)
    ]
    assert len(notes) == 2 * 6 + 1
    monkeypatch.setattr(guess, "FEW", 1)
    monkeypatch.setattr(guess, "COLUMNS_AT_ONCE", 3)
    monkeypatch.setattr(columns, "COLUMNS_AT_ONCE", 1)
    assert brought_in() == before
    assert "oops" not in str(rows)
    monkeypatch.setattr(settle, "SAMPLE", 60)
    monkeypatch.setattr(delimited, "FIRST_ROWS", 10)
    assert brought_in() == before


def test_no_query_is_made_for_each_of_many_columns(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Counting] = []

    def counted(*given: object, **said: object) -> Counting:
        asked.append(Counting(connect(*given, **said)))  # type: ignore[arg-type]
        return asked[-1]

    for module in (desk, view):
        monkeypatch.setattr(module, "connect", counted)
    version = ingest(lake.workspace, str(write_mixed(tmp_path / "a.csv", 30)), "mixed").version
    assert len(version.columns) == 30 * len(CELLS) > view.WIDE
    assert 0 < sum(each.run for each in asked) < 100
    asked.clear()
    with lake.open(version) as opened:
        assert len(profile(opened).columns) == len(version.columns)
        assert sum(each.run for each in asked) < 60
        # What is found may be looked at by itself; what is fine is not.
        asked[0].run = 0
        assert len({finding.column for finding in check(opened)}) > 100
        assert asked[0].run < len(version.columns)


@pytest.mark.slow
def test_five_thousand_columns_are_brought_in_and_split(lake: Lake, tmp_path: Path) -> None:
    version = ingest(lake.workspace, str(write_csv(tmp_path / "a.csv", 5000)), "wide").version
    assert (version.rows, len(version.columns)) == (ROWS, 5000)
    parted = split(lake, version)
    assert check_leakage(lake, parted) == []
    assert diff(lake, version, parted).columns_added == ("split",)


@pytest.mark.slow
def test_every_column_of_a_thousand_is_looked_at_and_cleaned(lake: Lake, tmp_path: Path) -> None:
    version = ingest(lake.workspace, str(write_csv(tmp_path / "a.csv", 1200)), "wide").version
    with lake.open(version) as opened:
        found = profile(opened)
        assert [len(found.columns), found.columns[2].distinct] == [1200, 2]
        assert {each.kind for each in check(opened)} >= {"missing", "unsplit"}
    steps = ["fill columns=c1,c4 with=median", "scale", "clip-outliers", "normalise-text"]
    cleaned = clean(lake, version, Recipe.from_words(steps))
    assert (cleaned.rows, len(cleaned.columns)) == (ROWS, 1200)


def test_a_wide_version_is_held_and_asked_in_portions(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = {f"c{n}": list(np.arange(30.0) * n) for n in range(9)}
    cells |= {'a "9"': [*range(29), 900], "word": ["a", "b", None] * 10, "same": [1] * 30}
    cells |= {"marks": ["1", "2", "-", "A", "a ", "CafÃ©"] * 5, "gap": [1.0, None, np.nan] * 10}
    cells |= {"text": ["one two three four five six seven " * 2 + str(n % 29) for n in range(30)]}
    version = lake.commit("things", pa.table(cells), op="import")
    version = split(lake, version)
    steps = ["fill columns=word,c1,c2 with=mode", "scale", "drop-outliers columns=c3,c4"]

    def everything() -> list[str]:
        made = clean(lake, version, Recipe.from_words(steps))
        with lake.open(version) as opened, lake.open(made) as cleaned:
            whole = profile(opened), check(opened), cleaned.sql("SELECT * FROM rows ORDER BY _rid")
            asked = opened.aggregates([f"sum(c{n})" for n in range(9)] + ["count(word)"])
            page = opened.page(3, 4), opened.splits(), opened.at([7, 2], ["word"])
        found = (*whole[0].columns, *whole[1], whole[2], asked, page, made.params["steps"])
        # As text, for NaN is not itself.
        return [*map(repr, found)]

    before = everything()
    monkeypatch.setattr(view, "WIDE", 2)
    monkeypatch.setattr(view, "COLUMNS_AT_ONCE", 3)
    monkeypatch.setattr(view, "COLUMNS_NEAR", 5)
    monkeypatch.setattr(view, "MOST_AGGREGATES", 3)
    monkeypatch.setattr("core.data.cleaning.sheet.MOST_ASKED", 2)
    monkeypatch.setattr(missing, "MANY", 1)
    assert everything() == before
    with lake.open(version) as opened:
        opened.hold()
        opened.hold()
        (held,) = opened.sql("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rows'")
        assert held == (1,)
    monkeypatch.setattr(view, "A_CELL", 10**12)
    with lake.open(version) as opened:
        opened.hold()
        assert opened.sql("SELECT count(*) FROM duckdb_tables()") == [(0,)], "it has no room"
