"""Bringing in only what is new, and looking before anything is brought in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.sources import Options, Reading, import_source, preview_source, renew_source
from core.errors import Cancelled, LeptonError, UsageError
from tests.data.conftest import state


def rows(lake: Lake, ref: str) -> list[tuple[object, ...]]:
    with lake.open(ref) as view:
        return view.page(0, 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "1.csv").write_text("day,sold\nmon,3\ntue,4\n")
    (folder / "2.csv").write_text("sold,day\n5,wed\n")
    return folder


def test_files_of_the_same_columns_are_one_table(lake: Lake, folder: Path) -> None:
    report = import_source(lake, folder, "sales")
    assert rows(lake, "sales") == [(0, "mon", 3), (1, "tue", 4), (2, "wed", 5)]
    assert len(report.version.params["files"]) == 2
    (folder / "3.csv").write_text("day,price\nthu,3\n")
    with pytest.raises(LeptonError, match="same columns: price, sold"):
        import_source(lake, folder, "sales")


def test_a_refresh_reads_new_files_alone_and_keeps_the_old_bytes(lake: Lake, folder: Path) -> None:
    first = import_source(lake, folder, "sales").version
    again = renew_source(lake, "sales")
    assert again.version.ref == first.ref
    assert "nothing is new" in again.notes[-1]
    (folder / "3.csv").write_text("day,sold\nthu,6\nmon,3\n")
    second = renew_source(lake, "sales").version
    assert second.files[0] == first.files[0], "old rows are not written again"
    assert second.params["added"] == 2, "a row of a new file counts, even one that was there"
    assert rows(lake, "sales")[3:] == [(3, "thu", 6), (4, "mon", 3)]
    assert (second.op, second.parents) == ("refresh", ("sales@1",))


def test_of_a_file_that_grew_only_the_new_rows_come(lake: Lake, folder: Path) -> None:
    import_source(lake, folder, "sales")
    (folder / "1.csv").write_text("day,sold\nmon,3\nmon,3\ntue,4\nsun,9\n")
    renew_source(lake, "sales")
    assert rows(lake, "sales")[3:] == [(3, "mon", 3), (4, "sun", 9)]


def test_what_does_not_fit_the_types_is_left_out(lake: Lake, folder: Path) -> None:
    import_source(lake, folder, "sales")
    (folder / "3.csv").write_text("day,sold\nthu,many\nfri,7\nsat,8\n")
    report = renew_source(lake, "sales")
    assert [(r.column, r.what) for r in report.rejects] == [("sold", '"many" is no whole number')]
    assert rows(lake, "sales")[3:] == [(3, "fri", 7), (4, "sat", 8)]
    assert rejected_rows(lake, "sales").num_rows == 1


def test_appending_another_file(lake: Lake, folder: Path, tmp_path: Path) -> None:
    import_source(lake, folder / "1.csv", "sales")
    renew_source(lake, "sales", folder / "2.csv")
    assert rows(lake, "sales")[2:] == [(2, "wed", 5)]
    copy = tmp_path / "copy.csv"
    copy.write_bytes((folder / "2.csv").read_bytes())
    assert "nothing is new" in renew_source(lake, "sales", copy).notes[-1], "known by its bytes"
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    before = state(lake)
    with pytest.raises(UsageError, match="same columns"):
        renew_source(lake, "sales", other)
    assert state(lake) == before


def test_new_rows_have_no_split_and_laid_over_cells_stay(lake: Lake, folder: Path) -> None:
    version = import_source(lake, folder, "sales").version
    marks = pa.table({"_rid": [0, 1, 2], "split": ["train", "test", "train"]})
    version = lake.commit_columns(version, marks, op="split")
    cleaned = pa.table({"_rid": [0, 1, 2], "sold": pa.array([30, 40, 50], pa.int64())})
    lake.commit_columns(version, cleaned, op="clean")
    (folder / "3.csv").write_text("day,sold\nthu,6\n")
    report = renew_source(lake, "sales")
    assert rows(lake, "sales") == [
        (0, "mon", 30, "train"),
        (1, "tue", 40, "test"),
        (2, "wed", 50, "train"),
        (3, "thu", 6, None),
    ]
    assert any("made by clean" in note for note in report.notes)


def test_another_version_in_the_meantime_is_not_lost(lake: Lake, folder: Path) -> None:
    first = import_source(lake, folder, "sales").version
    lake.commit("sales", pa.table({"day": ["x"], "sold": [1]}), op="clean", parents=[first.ref])
    before = state(lake)
    staged = lake.workspace.tmp / "0-late.parquet"
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"day": ["y"], "sold": [2]}), staged)
    with pytest.raises(LeptonError, match="newer version than 1"):
        lake.append(first, staged, op="append")
    assert state(lake) == before


def test_types_are_set_and_what_cannot_be_is_left_out(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("zip,n,on\n8001,1,2024-01-31\n8002,2.5,never\n8003,3,2024-02-01\n")
    options = Options(types={"zip": "text", "n": "integer", "on": "date"})
    report = import_source(lake, path, reading=Reading(options=options))
    assert [c.type for c in report.version.columns] == ["VARCHAR", "BIGINT", "DATE"]
    assert sorted((r.where, r.column) for r in report.rejects) == [
        ("line 3", "n"),
        ("line 3", "on"),
    ]
    with pytest.raises(UsageError, match='no column "zap"'):
        import_source(lake, path, reading=Reading(options=Options(types={"zap": "text"})))
    with pytest.raises(UsageError, match='no type "flaot"'):
        import_source(lake, path, reading=Reading(options=Options(types={"n": "flaot"})))


def test_a_preview_says_what_an_import_would_make_and_keeps_nothing(
    lake: Lake, folder: Path
) -> None:
    before = state(lake)
    found = preview_source(lake, folder / "1.csv")
    assert (found.format, found.count) == ("csv", 2)
    assert found.columns == [("day", "VARCHAR"), ("sold", "BIGINT")]
    assert found.rows == [("mon", 3), ("tue", 4)]
    assert state(lake) == before


def test_a_cancelled_import_leaves_the_lake_as_it_was(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + "1,x\n" * 400_000)
    before = state(lake)
    asked = iter([False])
    with pytest.raises(Cancelled, match="nothing was changed"):
        import_source(lake, path, reading=Reading(should_stop=lambda: next(asked, True)))
    assert state(lake) == before


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        ("007", "VARCHAR"),
        ("12.5", "DOUBLE"),
        ("9007199254740993", "BIGINT"),
        ("123456789012345678901", "VARCHAR"),
        (" 7", "BIGINT"),
        ('"7"', "BIGINT"),
    ],
)
def test_a_cell_far_below_is_not_misread_by_a_guess(
    lake: Lake, tmp_path: Path, late: str, kind: str
) -> None:
    path = tmp_path / "late.csv"
    path.write_text("n,t\n" + "1,a\n" * 30_000 + f"{late},z\n")
    report = import_source(lake, path)
    assert report.version.columns[0].type == kind
    with lake.open("late") as view:
        ((value,),) = view.sql("SELECT CAST(n AS VARCHAR) FROM rows WHERE t = 'z'")
    assert value == late.strip(' "')


def test_times_of_mixed_zones_stay_text(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "zones.csv"
    path.write_text("at\n2024-01-01 10:00:00+02:00\n2024-01-01 10:00:00\n")
    report = import_source(lake, path)
    assert report.version.columns[0].type == "VARCHAR"
    assert any("time zone" in note for note in report.notes)
    path.write_text("at\n2024-01-01 10:00:00+02:00\n2024-01-01 10:00:00Z\n")
    import_source(lake, path)
    with lake.open("zones") as view:
        found = view.sql('SELECT CAST("at" AS VARCHAR) FROM rows ORDER BY _rid')
    assert found == [("2024-01-01 08:00:00",), ("2024-01-01 10:00:00",)]


def test_digits_round_an_underscore_are_no_number(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("n,t\n" + "1,a\n" * 30_000 + "1_000,z\n")
    report = import_source(lake, path)
    assert [(r.where, r.value) for r in report.rejects] == [("line 30,002", "1_000")]


def test_a_recipe_cleans_rows_before_they_are_kept(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("name,age\nann,30\nann,30\nbob,\neve,50\nodd,x,y\n")
    recipe = Recipe.from_words(["drop-duplicates", "fill columns=age with=mean"])
    report = import_source(lake, path, reading=Reading(recipe=recipe))
    assert rows(lake, "people") == [(0, "ann", 30), (2, "bob", 40), (3, "eve", 50)]
    assert report.version.n == 1, "no version of the raw rows stands between"
    assert [step["step"]["do"] for step in report.version.params["steps"]] == [
        "drop-duplicates",
        "fill",
    ]
    assert rejected_rows(lake, "people").num_rows == 1


def test_nested_values_of_a_refresh_are_known_again(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text('{"n": {"a": [1, 2]}}\n{"n": {"a": []}}\n')
    import_source(lake, path)
    path.write_text(path.read_text() + '{"n": {"a": [3]}}\n')
    renew_source(lake, "deep")
    assert rows(lake, "deep") == [(0, '{"a":[1,2]}'), (1, '{"a":[]}'), (2, '{"a":[3]}')]
