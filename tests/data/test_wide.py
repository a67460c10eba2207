"""Tables of thousands of columns: nothing that looks at each of them crashes or takes for ever."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.steps import missing
from core.data.diff import diff
from core.data.lake import view
from core.data.lake.lake import Lake
from core.data.profile import profile
from core.data.quality.check import check
from core.data.quality.leakage import check_leakage
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
    columns = {f"c{n}": list(np.arange(30.0) * n) for n in range(10)}
    columns |= {"word": ["a", "b", None] * 10, "same": [1] * 30}
    version = lake.commit("things", pa.table(columns), op="import")
    version = split(lake, version)
    steps = ["fill columns=word,c1,c2 with=mode", "scale", "drop-outliers columns=c3,c4"]

    def everything() -> tuple[object, ...]:
        made = clean(lake, version, Recipe.from_words(steps))
        with lake.open(version) as opened, lake.open(made) as cleaned:
            whole = profile(opened), check(opened), cleaned.sql("SELECT * FROM rows ORDER BY _rid")
            asked = opened.aggregates([f"sum(c{n})" for n in range(10)] + ["count(word)"])
            page = opened.page(3, 4), opened.splits(), opened.at([7, 2], ["word"])
        return whole, asked, page, made.params["steps"]

    before = everything()
    monkeypatch.setattr(view, "WIDE", 2)
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
