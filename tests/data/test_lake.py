"""The lake on a real disk: versions, overlays, paging, and what a careless name or file does."""

from __future__ import annotations

import multiprocessing as mp
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.journal import Entry
from core.data.lake.lake import Lake
from core.data.lake.version import QualityNote
from core.errors import LeptonError, UsageError
from core.workspace import Workspace

spawn = mp.get_context("spawn")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Workspace.open(tmp_path / "a home with 'quotes'"))


def table(rows: int = 10) -> pa.Table:
    return pa.table({"x": list(range(rows)), "word": [f"w{i}" for i in range(rows)]})


def test_versions_are_numbered_and_old_ones_stay(lake: Lake) -> None:
    first = lake.commit("things", table(3), op="import", params={"source": "a.csv"})
    second = lake.commit("things", table(5), op="clean", parents=[first.ref])
    assert (first.n, second.n) == (1, 2)
    assert [v.rows for v in lake.versions("things")] == [5, 3]
    assert lake.version("things").ref == "things@2"
    assert lake.version("things@1").params == {"source": "a.csv"}
    assert second.parents == ("things@1",)
    with lake.open("things@1") as view:
        assert view.page(0, 10) == [(0, 0, "w0"), (1, 1, "w1"), (2, 2, "w2")]


def test_a_page_in_the_middle_has_its_row_ids(lake: Lake) -> None:
    lake.commit("big", table(300_000), op="import")
    with lake.open("big") as view:
        assert view.page(250_000, 2, ["word"]) == [(250_000, "w250000"), (250_001, "w250001")]
        assert view.page(299_999, 50, ["x"]) == [(299_999, 299_999)]
        assert view.page(300_000, 50) == []


def test_overlaid_columns_are_joined_by_row_id(lake: Lake) -> None:
    base = lake.commit("things", table(10), op="import")
    even = pa.table({"_rid": [8, 0, 2, 4, 6], "split": ["test", "train", "train", "train", "test"]})
    split = lake.commit_columns(base, even, op="split")
    assert split.files[0] == base.files[0], "the rows are not written again"
    assert split.parents == ("things@1",)
    with lake.open(split) as view:
        assert view.splits() == {"test": 2, "train": 3}
        assert view.page(1, 2) == [(1, 1, "w1", None), (2, 2, "w2", "train")]
        picked = [row for b in view.batches(["word"], split="test") for row in b.to_pylist()]
        assert picked == [{"_rid": 6, "word": "w6"}, {"_rid": 8, "word": "w8"}]
        assert view.rows([9, 0], ["split"]) == [
            {"_rid": 9, "split": None},
            {"_rid": 0, "split": "train"},
        ]


def test_a_column_with_the_name_of_a_rows_place(lake: Lake) -> None:
    lake.commit("odd", pa.table({"File_Row_Number": [7, 8], "x": ["a", "b"]}), op="import")
    with lake.open("odd") as view:
        assert view.page(0, 5) == [(0, 7, "a"), (1, 8, "b")]


def test_a_later_overlay_replaces_an_earlier_one(lake: Lake) -> None:
    base = lake.commit("things", table(2), op="import")
    once = lake.commit_columns(base, pa.table({"_rid": [0, 1], "x": [7, 8]}), op="label")
    twice = lake.commit_columns(once, pa.table({"_rid": [0, 1], "x": [70, 80]}), op="label")
    assert twice.column_names == ("x", "word")
    with lake.open(twice) as view:
        assert [b.to_pylist() for b in view.batches(["x"])] == [
            [{"_rid": 0, "x": 70}, {"_rid": 1, "x": 80}]
        ]


def test_batches_come_in_row_order_across_row_groups(lake: Lake) -> None:
    base = lake.commit("big", table(200_000), op="import")
    marks = pa.table({"_rid": list(range(200_000)), "split": ["train", "test"] * 100_000})
    lake.commit_columns(base, marks, op="split")
    with lake.open("big") as view:
        ids = [i for b in view.batches(["split"], split="test") for i in b["_rid"].to_pylist()]
    assert ids == list(range(1, 200_000, 2))


def test_of_large_rows_a_batch_has_fewer(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [os.urandom(2_000_000) for _ in range(40)]
    rows = pa.table({"image": pictures, "n": range(40)})
    # An import hands over a few at a time.
    arriving = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=8))
    lake.commit("pictures", arriving, op="import", media={"image": "image"})
    monkeypatch.setenv("LEPTON_MEMORY", "160MB")
    with lake.open("pictures") as view:
        batches = list(view.batches(["image", "n"]))
        assert [n for b in batches for n in b["n"].to_pylist()] == [*range(40)]
        assert [image for b in batches for image in b["image"].to_pylist()] == pictures
        assert max(len(b) for b in batches) <= 160 // 16 // 2
        # Beside the pictures all is small.
        assert [len(b) for b in view.batches(["n"])] == [40]


def test_rows_that_bring_their_ids_are_kept_in_their_order(lake: Lake) -> None:
    lake.commit("picked", pa.table({"_rid": [9, 4], "x": [90, 40]}), op="clean")
    with lake.open("picked") as view:
        assert view.page(0, 10) == [(4, 40), (9, 90)]


def test_a_restored_version_is_the_newest_again_and_shares_its_files(lake: Lake) -> None:
    first = lake.commit(
        "things", table(3), op="import", task="tabular", target="x", inputs=["word"]
    )
    lake.tag(first, "good")
    lake.commit("things", table(5), op="clean", parents=[first.ref])
    again = lake.restore("things@1", params={"undone": "things@2"})
    assert (again.ref, again.op, again.parents) == ("things@3", "restore", ("things@1",))
    assert (again.files, again.rows, again.target) == (first.files, 3, "x")
    assert again.tags == (), "a tag names one version"
    lake.remove("things@1")
    lake.verify("things@3")
    (lake.workspace.data / first.files[0].name).unlink()
    with pytest.raises(LeptonError, match="is missing"):
        lake.restore("things@3")
    assert lake.version("things").n == 3


def test_removing_a_data_set_keeps_what_another_one_uses(lake: Lake) -> None:
    one = lake.commit("one", table(), op="import")
    lake.commit("two", table(), op="import")
    lake.remove("one")
    assert [v.dataset for v in lake.datasets()] == ["two"]
    lake.verify("two")
    lake.remove("two")
    assert not (lake.workspace.data / one.files[0].name).exists()


def test_what_was_removed_meanwhile_does_not_come_back_without_its_rows(lake: Lake) -> None:
    base = lake.commit("gone", pa.table({"x": [1, 2]}), op="import")
    split = pa.table({"_rid": [0, 1], "split": ["train", "test"]})
    lake.remove("gone")
    with pytest.raises(LeptonError, match="a data file of gone@1 is missing"):
        lake.commit_columns(base, split, op="split")
    assert lake.datasets() == []
    assert list(lake.workspace.tmp.iterdir()) == []


def test_removing_one_version_leaves_the_others_and_their_numbers(lake: Lake) -> None:
    for rows in (1, 2, 3):
        lake.commit("things", table(rows), op="import")
    lake.remove("things@3")
    assert [v.ref for v in lake.versions("things")] == ["things@2", "things@1"]
    lake.verify("things")
    assert lake.commit("things", table(4), op="import").ref == "things@4"


@pytest.fixture
def kept(lake: Lake) -> Iterator[Lake]:
    lake.commit("digits", table(), op="import")
    yield lake
    assert [v.ref for v in lake.datasets()] == ["digits@1"], "a refused call changed the lake"


@pytest.mark.parametrize(
    ("ref", "words", "hint"),
    [
        ("digit", 'no data set "digit"', 'Did you mean "digits"?'),
        ("digits@7", "no version 7", "There is version 1."),
        ("digits@x", 'has the tag "x"', "There is version 1, and no tags."),
        ("digits@X!", "is no version", "digits@1"),
    ],
)
def test_an_unknown_name_says_what_there_is(kept: Lake, ref: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        kept.version(ref)
    assert hint in caught.value.hint


def test_a_version_that_is_gone_is_not_offered(lake: Lake) -> None:
    for rows in range(1, 12):
        lake.commit("things", table(rows), op="import")
    hints = []
    for gone in (0, 3, 2, 4, 5, 6, 7, 8, 9, 10):
        if gone:
            lake.remove(f"things@{gone}")
        with pytest.raises(UsageError) as caught:
            lake.version("things@99")
        hints.append(caught.value.hint)
    assert hints[:3] == [
        "There are versions 1 to 11.",
        "There are versions 4, 5, 6, 7, 8, 9, 10 and 11, and 2 older.",
        "There are versions 4, 5, 6, 7, 8, 9, 10 and 11, and 1 older.",
    ]
    assert hints[-2:] == ["There are versions 1, 10 and 11.", "There are versions 1 and 11."]


def test_an_unknown_column_names_the_nearest(kept: Lake) -> None:
    with kept.open("digits") as view, pytest.raises(UsageError) as caught:
        view.page(0, 1, ["wrod"])
    assert caught.value.hint == 'Did you mean "word"?'


@pytest.mark.parametrize("name", ["Digits", "a b", "", "../up", "-x", "é"])
def test_a_name_that_cannot_be_is_refused(kept: Lake, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        kept.commit(name, table(), op="import")


def test_no_rows_are_no_version(kept: Lake) -> None:
    with pytest.raises(LeptonError, match="no rows"):
        kept.commit("empty", table(0), op="import")
    assert list(kept.workspace.tmp.iterdir()) == []


def test_a_flipped_byte_is_found(kept: Lake) -> None:
    path = kept.workspace.data / kept.version("digits").files[0].name
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(LeptonError, match="damaged"):
        kept.verify("digits")


def test_a_missing_file_is_named(kept: Lake) -> None:
    (kept.workspace.data / kept.version("digits").files[0].name).unlink()
    with pytest.raises(LeptonError, match="is missing"):
        kept.open("digits")


def test_a_catalogue_that_is_no_database_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    workspace.catalogue.write_bytes(b"these bytes are no database" * 100)
    with pytest.raises(LeptonError, match="catalogue cannot be used"):
        Lake(workspace).datasets()


def of_format(path: Path, number: int) -> None:
    """Say that a catalogue is of this format."""
    # Closed by hand: the collector closes it at any time, which writes once more.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b""), "cut short"),
        (lambda path: of_format(path, 0), "not a catalogue"),
        (lambda path: of_format(path, 9), "newer Lepton"),
    ],
)
def test_a_catalogue_of_another_kind_is_refused_and_left(
    lake: Lake, damage: Callable[[Path], object], words: str
) -> None:
    lake.commit("things", table(), op="import")
    path = lake.workspace.catalogue
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    damage(path)
    before = path.read_bytes()
    for use in (lake.datasets, lambda: lake.commit("more", table(), op="import")):
        with pytest.raises(LeptonError, match=words):
            use()
    assert path.read_bytes() == before


def test_a_workspace_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made") as caught:
        Workspace.open(tmp_path / "file" / "home")
    assert "LEPTON_HOME" in caught.value.hint


def test_a_tag_names_one_version_and_moves(lake: Lake) -> None:
    lake.commit("things", table(3), op="import")
    lake.commit("things", table(5), op="clean")
    assert lake.tag("things@1", "best").tags == ("best",)
    assert lake.version("things@best").n == 1
    lake.tag("things", "best")
    assert (lake.version("things@best").n, lake.version("things@1").tags) == (2, ())
    with pytest.raises(UsageError, match="number of a version"):
        lake.tag("things", "7")
    with pytest.raises(UsageError, match='has the tag "bset"') as caught:
        lake.version("things@bset")
    assert '"best"' in caught.value.hint
    lake.remove("things@best")
    assert [v.ref for v in lake.versions("things")] == ["things@1"], "the tagged version is gone"
    with pytest.raises(UsageError):
        lake.untag("things", "best")


FORMAT_3 = Path(__file__).with_name("format_3")
# What takes a catalogue back to the format before.
TAKES_BACK = {
    3: "",
    2: "ALTER TABLE file DROP COLUMN first;",
    1: "DROP TABLE tag; DROP TABLE quality; ALTER TABLE version DROP COLUMN author;"
    "ALTER TABLE file DROP COLUMN role;",
}


@pytest.fixture
def old_home(lake: Lake) -> Path:
    """A workspace as Lepton left it when its catalogue had format 3."""
    for path in FORMAT_3.glob("*.parquet"):
        shutil.copy(path, lake.workspace.data)
    with sqlite3.connect(lake.workspace.catalogue) as db:
        db.executescript((FORMAT_3 / "catalogue.sql").read_text())
    db.close()
    return lake.workspace.home


@pytest.mark.parametrize("format", [3, 2, 1])
def test_a_catalogue_of_an_earlier_format_is_brought_up_to_date(
    old_home: Path, format: int
) -> None:
    with sqlite3.connect(old_home / "catalog.sqlite") as db:
        db.execute(
            "INSERT INTO quality (version, time, kind, score, findings)"
            " SELECT id, '2026-01-02T03:04:05Z', 'check', 88.5, '[]' FROM version WHERE n = 2"
        )
        for each in range(3, format - 1, -1):
            db.executescript(TAKES_BACK[each])
        db.execute(f"PRAGMA user_version = {format}")
    db.close()
    lake = Lake(Workspace.open(old_home))
    found = {version.n: version for version in lake.versions("plants")}
    assert [(n, each.op, each.rows) for n, each in found.items()] == [
        (6, "restore", 6),
        (5, "clean", 2),
        (4, "import", 2),
        (2, "split", 6),
        (1, "import", 6),
    ]
    assert found[1].author == ("anna" if format > 1 else "")
    assert found[1].tags == (("raw",) if format > 1 else ())
    told = lake.quality.history("plants")
    assert (
        told == [QualityNote("plants@2", "2026-01-02T03:04:05Z", "check", 88.5, ())][: format - 1]
    )
    assert found[1].has_rows_of(found[2])
    assert found[1].has_rows_of(found[6])
    assert not found[1].has_rows_of(found[4]), "it was imported anew"
    assert not found[1].has_rows_of(found[5]), "what it was made of is gone"
    if format == 3:
        for version in found.values():
            lake.verify(version)
    lake.labels.add(found[6], "kind", [Entry(2, "c")])
    assert [label.value for label in lake.labels.waiting(lake.version("plants@2")).labels] == ["c"]
    assert lake.tag("plants@4", "other").tags == ("other",)
    with sqlite3.connect(lake.workspace.catalogue) as db:
        made = set(db.execute("SELECT type, name, tbl_name FROM sqlite_master"))
    Lake(Workspace.open(old_home.with_name("new"))).datasets()
    with sqlite3.connect(old_home.with_name("new") / "catalog.sqlite") as db:
        assert set(db.execute("SELECT type, name, tbl_name FROM sqlite_master")) == made


def four_at_once(home: Path, start: Barrier) -> None:
    start.wait()
    Lake(Workspace.open(home)).datasets()


def test_several_processes_may_bring_a_catalogue_up_to_date(old_home: Path) -> None:
    start = spawn.Barrier(4)
    processes = [spawn.Process(target=four_at_once, args=(old_home, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(Lake(Workspace.open(old_home)).versions("plants")) == 5
