"""A folder of images with a table of labels: named, or found in the folder."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.sources import import_source, renew_source
from core.data.sources.media.pictures import image_fault, image_size
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write
from tests.data.sources.media import picture


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for i in range(4):
        write(tmp_path / "flat" / f"{i}.png", picture(i))
    return tmp_path / "flat"


def test_a_table_that_is_named_gives_its_columns(lake: Lake, flat: Path, tmp_path: Path) -> None:
    table = write(
        tmp_path / "t.csv", "who,kind,age\n2.png,cat,3\n0.png,dog,4\n1.png,cat,5\n3.png,eel,6\n"
    )
    report, rows = read(lake, flat, labels=str(table))
    assert list(types(report).items()) == [
        ("image", "BLOB"),
        ("kind", "VARCHAR"),
        ("age", "BIGINT"),
        ("path", "VARCHAR"),
    ]
    assert report.version.columns[0].media == "image"
    assert [(row[0], *row[1:]) for row in rows] == [
        (picture(2), "cat", 3, "2.png"),
        (picture(0), "dog", 4, "0.png"),
        (picture(1), "cat", 5, "1.png"),
        (picture(3), "eel", 6, "3.png"),
    ]
    assert not report.rejected
    assert report.version.params["options"] == {"labels": str(table)}


def test_what_is_missing_on_either_side_is_left_out_and_told(lake: Lake, flat: Path) -> None:
    write(flat / "labels.csv", "file,label\n0.png,a\n1.png,b\ngone.png,c\n1.png,z\n2.png,b\n")
    write(flat / "notes.md", "hello")
    report, rows = read(lake, flat)
    assert [(row[1], row[2]) for row in rows] == [("a", "0.png"), ("b", "1.png"), ("b", "2.png")]
    assert [(reject.where.split(", ")[-1], reject.what) for reject in report.rejects] == [
        ("row 3", "there is no such file"),
        ("row 4", "the file came before"),
        ("3.png", "no row of the labels names it"),
    ]
    assert any("1 file left out: no images" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", '{"file_name": "0.png", "label": "a"}\n{"file_name": "3.png"}\n'),
        ("labels.json", '{"0.png": "a", "3.png": null}'),
        ("labels.json", '{"labels": [["0.png", "a"], ["3.png", null]]}'),
        ("labels.json", '[{"id": "0", "label": "a"}, {"id": "3", "label": null}]'),
        ("labels.json", '{"0": {"label": "a"}, "3": {"label": null}}'),
        ("metadata.csv", "file_name,label\n./0.png,a\nfar\\away\\3.png,\n"),
        ("labels.tsv", "label\tfile\na\thttps://host/x/0.png\n\tflat/3.png\n"),
    ],
)
def test_labels_of_every_form_are_found(lake: Lake, flat: Path, name: str, content: str) -> None:
    (flat / "1.png").unlink()
    (flat / "2.png").unlink()
    write(flat / name, content)
    report, rows = read(lake, flat)
    assert [row[1:] for row in rows] == [("a", "0.png"), (None, "3.png")]
    assert [c.name for c in report.version.columns] == ["image", "label", "path"]


def test_numbers_may_name_files(lake: Lake, flat: Path) -> None:
    table = pa.table({"label": [1, 1, 2, 2], "number": [3, 2, 1, 0]})
    pq.write_table(table, flat / "labels.parquet")
    assert [row[1:] for row in read(lake, flat)[1]] == [
        (1, "3.png"),
        (1, "2.png"),
        (2, "1.png"),
        (2, "0.png"),
    ]


def test_train_and_test_each_have_their_own_table(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for part in ("train", "test"):
        for i in range(2):
            write(root / part / "deep" / f"{i}.png", picture(i))
        lines = [json.dumps({"file_name": f"deep/{i}.png", "text": f"{part} {i}"}) for i in (0, 1)]
        write(root / part / "metadata.jsonl", "\n".join(lines))
    _, rows = read(lake, root)
    assert [row[1:] for row in rows] == [
        ("test 0", "test/deep/0.png", "test"),
        ("test 1", "test/deep/1.png", "test"),
        ("train 0", "train/deep/0.png", "train"),
        ("train 1", "train/deep/1.png", "train"),
    ]


def test_columns_that_are_called_like_ours_get_another_name(lake: Lake, flat: Path) -> None:
    write(flat / "labels.csv", "file,image,path,_rid\n0.png,1,x,7\n1.png,2,y,8\n2.png,3,z,9\n")
    report, rows = read(lake, flat)
    assert [c.name for c in report.version.columns] == [
        "image",
        "image_1",
        "path_1",
        "source_rid",
        "path",
    ]
    assert rows[0][1:] == (1, "x", 7, "0.png")


def test_bad_lines_of_the_labels_do_not_count_as_bad_images(lake: Lake, flat: Path) -> None:
    lines = [f"{i}.png,{i}" for i in range(4)] + [f"gone{i}.png,1,2" for i in range(3)]
    table = write(flat / "labels.csv", "f,n\n" + "\n".join(lines) + "\n")
    report, rows = read(lake, flat)
    assert (len(rows), report.rejected) == (4, 3)
    assert all(str(table) in row["file"] for row in rejected_rows(lake, "it").to_pylist())


def test_labels_that_do_not_go_with_the_folder(
    lake: Lake, flat: Path, tmp_path: Path, refuses: Refuses
) -> None:
    from core.data.sources import Options

    other = write(tmp_path / "o.csv", "a,b\nx,71\ny,72\n")
    refuses(flat, "no column of the labels names", code=2, said=Options(labels=str(other)))
    refuses(flat, "no such file of labels", code=2, said=Options(labels=str(tmp_path / "gone")))
    noise = write(tmp_path / "o.png", picture(1))
    refuses(flat, "this is a PNG image", code=2, said=Options(labels=str(noise)))
    refuses(other, "goes with a folder", code=2, said=Options(labels=str(other)))
    write(tmp_path / "texts" / "a.txt", "hello")
    refuses(tmp_path / "texts", "it holds none", code=2, said=Options(labels=str(other)))


def test_a_refresh_reads_new_files_and_labels(lake: Lake, flat: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "f,label\n" + "".join(f"{i}.png,l{i}\n" for i in range(4)))
    read(lake, flat, labels=str(table))
    write(flat / "4.png", picture(4))
    table.write_text(table.read_text() + "4.png,new\n")
    report = renew_source(lake, "it")
    assert (report.version.rows, report.version.params["added"]) == (5, 1)
    with lake.open("it") as view:
        assert view.page(4, 1) == [(4, picture(4), "new", "4.png")]


def test_one_class_in_an_archive_keeps_its_label(lake: Lake, tmp_path: Path) -> None:
    for top in ("cats", "pets/cats"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for i in range(2):
                archive.writestr(f"{top}/{i}.png", picture(i))
        _, rows = read(lake, tmp_path / "a.zip")
        assert [row[1:] for row in rows] == [("cats", "cats/0.png"), ("cats", "cats/1.png")]


def test_a_flat_archive_with_labels(lake: Lake, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(2):
            archive.writestr(f"photos/{i}.jpg", picture(i, "JPEG"))
        archive.writestr("photos/metadata.csv", "file_name,n\n0.jpg,5\n1.jpg,6\n")
    assert [row[1:] for row in read(lake, tmp_path / "a.zip")[1]] == [(5, "0.jpg"), (6, "1.jpg")]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_png_of_every_kind_is_sound_or_found_damaged(mode: str) -> None:
    held = io.BytesIO()
    Image.effect_noise((37, 23), 60).convert(mode if mode != "I;16" else "I").convert(mode).save(
        held, "PNG"
    )
    good = held.getvalue()
    assert image_size(good) == (37, 23)
    for at in range(12, len(good) - 12, max(1, len(good) // 60)):
        bad = bytearray(good)
        bad[at] ^= 0x10
        fault = image_fault(bytes(bad))
        # What Pillow takes for whole may differ in a chunk that no picture needs.
        assert fault is not None or _pixels(bytes(bad)) == _pixels(good)
    assert image_fault(good[:-20]) is not None


def _pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()


def test_a_jpeg_that_is_cut_is_found(tmp_path: Path) -> None:
    held = io.BytesIO()
    Image.effect_noise((300, 200), 60).convert("RGB").save(held, "JPEG", progressive=True)
    assert image_size(held.getvalue()) == (300, 200)
    for cut in (30, 2000, len(held.getvalue()) // 2):
        assert image_fault(held.getvalue()[:-cut]) is not None


def test_files_of_many_sizes_come_in_their_order(lake: Lake, tmp_path: Path) -> None:
    sizes = [(1 + i % 7, 1 + i * 37 % 300) for i in range(300)]
    for i, size in enumerate(sizes):
        write(tmp_path / "set" / "ab"[i % 2] / f"{i:03}.png", picture(i, size=size))
    version = import_source(lake, tmp_path / "set").version
    with lake.open(version) as view:
        rows = view.page(0, 300)
    order = [*range(0, 300, 2), *range(1, 300, 2)]
    assert [row[3] for row in rows] == [f"{'ab'[i % 2]}/{i:03}.png" for i in order]
    assert [image_size(row[1]) for row in rows] == [sizes[i] for i in order]
