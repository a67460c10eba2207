"""Export: what is written is read back as the same rows, and nothing is half written or escapes."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from PIL import Image

from core.data.exporting.export import export
from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.data.splitting.split import split
from core.errors import Cancelled, LeptonError, UsageError

ROWS = {
    "n": list(range(20_000)),
    "half": [None if n % 7 == 0 else n / 2 for n in range(20_000)],
    "word, of": [f'say "{n}",\nplease\t✓' for n in range(20_000)],
}


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (4, 4), shade).save(out, "png")
    return out.getvalue()


@pytest.fixture
def things(lake: Lake) -> Lake:
    lake.commit("things", pa.table(ROWS), op="import")
    return lake


def pictures(lake: Lake, labels: list[str | None]) -> None:
    rows = {"image": [png(n) for n in range(len(labels))], "label": labels}
    lake.commit("pictures", pa.table(rows), op="import", media={"image": "image"}, target="label")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_what_is_written_is_read_back(things: Lake, tmp_path: Path, ending: str) -> None:
    told: list[tuple[int, int]] = []
    file = tmp_path / f"it's.{ending}"
    with things.open("things") as view:
        done = export(view, file, progress=lambda *at: told.append(at))
        before = view.page(0, 20_000)
    assert (done.rows, done.format) == (20_000, ending)
    assert told[-1] == (20_000, 20_000)
    with things.open(import_source(things, file, "back").version) as view:
        assert view.page(0, 20_000) == before


@pytest.mark.parametrize("format", ["csv", "jsonl", "arrow", "excel", "huggingface", "images"])
def test_an_export_is_stopped_on_its_way_and_leaves_nothing(
    things: Lake, tmp_path: Path, format: str
) -> None:
    pictures(things, ["a"] * 600)
    told: list[int] = []
    name = "pictures" if format == "images" else "things"
    (out := tmp_path / "out").mkdir()
    with things.open(name) as view, pytest.raises(Cancelled):
        export(
            view,
            out / "there",
            format=format,
            progress=lambda done, _: told.append(done),
            should_stop=lambda: bool(told),
        )
    assert 0 < told[-1] < 20_000
    assert list(out.iterdir()) == []


def test_arrow_and_parquet_keep_rows_of_one_split_and_some_columns(
    things: Lake, tmp_path: Path
) -> None:
    ref = split(things, "things", validation=0.1, test=0.2).ref
    with things.open(ref) as view:
        export(view, tmp_path / "a.arrow", split="test", columns=["half", "n"])
        export(view, tmp_path / "b.pq", split="test", columns=["half", "n"])
        kept = view.sql("SELECT half, n FROM rows WHERE split = 'test' ORDER BY _rid")
    with pa.ipc.open_file(str(tmp_path / "a.arrow")) as file:
        arrow = file.read_all()
    assert arrow.column_names == ["half", "n"]
    assert [tuple(row.values()) for row in arrow.to_pylist()] == kept
    assert pa.parquet.read_table(tmp_path / "b.pq").to_pylist() == arrow.to_pylist()


def test_a_folder_of_images_is_read_back_with_its_splits(lake: Lake, tmp_path: Path) -> None:
    pictures(lake, ["cat", "dog"] * 20)
    ref = split(lake, "pictures", validation=0.25, test=0.25).ref
    with lake.open(ref) as view:
        assert export(view, tmp_path / "out").rows == 40
        wanted = view.sql("SELECT image, label, split FROM rows ORDER BY 1")
        assert export(view, tmp_path / "test", split="test").rows == view.count("test")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["test", "train", "validation"]
    assert sorted(p.name for p in (tmp_path / "test").iterdir()) == ["cat", "dog"]
    with lake.open(import_source(lake, tmp_path / "out", "back").version) as view:
        assert view.sql("SELECT image, label, split FROM rows ORDER BY 1") == wanted


def test_no_class_leads_out_of_the_folder_and_none_is_mixed_with_another(
    lake: Lake, tmp_path: Path
) -> None:
    labels = ["../up", "..", "a/b", "a_b", ".hidden", "", "x" * 300, "é" * 200, None]
    pictures(lake, labels)
    (tmp_path / "in").mkdir()
    with lake.open("pictures") as view:
        done = export(view, tmp_path / "in" / "out")
    assert done.rows == 8
    assert done.notes == ["1 row without image or class left out"]
    folders = sorted((tmp_path / "in" / "out").iterdir())
    assert len(folders) == 8
    assert all(len(list(folder.glob("*.png"))) == 1 for folder in folders)
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pictures.csv", {}, "holds bytes, which csv cannot"),
        ("pictures.xyz", {}, "does not tell the format"),
        ("pictures.csv", {"format": "cvs"}, 'no format "cvs"'),
        ("pictures.csv", {"columns": ["lable"]}, 'no column "lable"'),
        ("pictures.csv", {"split": "tset"}, 'no split "tset"'),
        ("there.pq", {}, "something is there already"),
        ("folder", {}, "something is there already"),
        ("folder", {"format": "parquet", "replace": True}, "something is there already"),
        ("no/where.pq", {}, "no such folder"),
        ("there.pq/below.pq", {}, "a file, and no folder"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    lake: Lake, tmp_path: Path, name: str, options: dict, words: str
) -> None:
    pictures(lake, ["cat", "dog"])
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (place / "there.pq").write_bytes(b"mine")
    with lake.open("pictures") as view, pytest.raises(UsageError, match=words) as caught:
        export(view, place / name, **options)
    assert caught.value.hint
    assert sorted(p.name for p in place.iterdir()) == ["folder", "there.pq"]
    assert (place / "there.pq").read_bytes() == b"mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder here takes no files")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow", "xlsx"])
def test_a_place_that_takes_nothing_is_told_as_it_was_named(things: Lake, ending: str) -> None:
    place = Path(f"/proc/things.{ending}")
    with things.open("things") as view, pytest.raises(LeptonError) as caught:
        export(view, place)
    assert str(caught.value) == f"it cannot be written: No such file or directory ({place})"
    assert "permissions" in caught.value.hint


def test_a_file_that_is_there_is_replaced_when_asked(things: Lake, tmp_path: Path) -> None:
    file = tmp_path / "there.parquet"
    file.write_bytes(b"mine")
    with things.open("things") as view:
        export(view, file, replace=True)
    assert pa.parquet.read_metadata(file).num_rows == 20_000


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_a_full_disk_leaves_nothing(things: Lake, tmp_path: Path, ending: str) -> None:
    import resource
    import signal

    file = tmp_path / f"big.{ending}"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    view = things.open("things")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(LeptonError, match="cannot be written"):
            export(view, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
        view.close()
    assert not [path for path in tmp_path.iterdir() if "big" in path.name]
