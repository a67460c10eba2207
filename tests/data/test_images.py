"""Folders of images by class, and IDX files."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.png import encode_png
from core.data.sources import import_source
from tests.data.conftest import Refuses


def picture(value: int, kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(held, kind)
    return held.getvalue()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "Pets"
    for i in range(5):
        write(root / "cats" / f"{i}.png", picture(i))
        write(root / "dogs" / "brown" / f"{i}.jpg", picture(100 + i, "JPEG"))
    return root


def test_the_folder_is_the_label_and_bytes_are_kept(lake: Lake, folder: Path) -> None:
    version = import_source(lake, folder).version
    assert version.ref == "pets@1"
    assert [(c.name, c.type, c.media) for c in version.columns] == [
        ("image", "BLOB", "image"),
        ("label", "VARCHAR", None),
        ("path", "VARCHAR", None),
    ]
    with lake.open(version) as view:
        rows = view.rows(range(10))
    assert [row["label"] for row in rows] == ["cats"] * 5 + ["dogs"] * 5
    assert rows[2]["image"] == (folder / "cats" / "2.png").read_bytes()
    assert rows[7]["path"] == "dogs/brown/2.jpg"


def test_train_and_test_folders_become_the_split(lake: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for part, count in (("Train", 4), ("val", 1), ("test", 2)):
        for label in ("a", "b"):
            for i in range(count):
                write(root / part / label / f"{i}.png", picture(i))
    version = import_source(lake, root).version
    with lake.open(version) as view:
        assert view.splits() == {"test": 4, "train": 8, "validation": 2}
        assert view.sql("SELECT DISTINCT label FROM rows ORDER BY 1") == [("a",), ("b",)]


def test_undecodable_images_are_rejected_by_name(lake: Lake, folder: Path) -> None:
    write(folder / "cats" / "cut.png", picture(1, size=(200, 200))[:-40])
    write(folder / "cats" / "text.png", b"this is text")
    write(folder / "dogs" / "empty.jpg", b"")
    flipped = bytearray(picture(9, size=(64, 64)))
    flipped[60] ^= 0xFF
    write(folder / "dogs" / "flipped.png", bytes(flipped))
    report = import_source(lake, folder)
    assert report.version.rows == 10
    assert [reject.where for reject in report.rejects] == [
        "cats/cut.png",
        "cats/text.png",
        "dogs/empty.jpg",
        "dogs/flipped.png",
    ]
    assert report.rejects[2].what == "the file is empty"
    assert lake.version("pets").params["rejected"] == 4, "a stream tells so at its end"
    assert rejected_rows(lake, "pets")["position"][0].as_py() == "cats/cut.png"


def test_mostly_undecodable_is_an_error_and_keeps_nothing(tmp_path: Path, refuses: Refuses) -> None:
    root = tmp_path / "set"
    for i in range(4):
        write(root / "a" / f"{i}.png", picture(i))
        write(root / "b" / f"{i}.png", b"no")
    write(root / "b" / "5.png", b"no")
    refuses(root, "5 of 9 images cannot be read; the first is b/0.png")
    for path in (root / "a").iterdir():
        path.write_bytes(b"no")
    refuses(root, "9 of 9 images cannot be read")


def test_an_image_of_too_many_pixels_is_rejected(lake: Lake, folder: Path) -> None:
    blank = io.BytesIO()
    Image.new("1", (9000, 9000)).save(blank, "PNG")
    write(folder / "cats" / "bomb.png", blank.getvalue())
    report = import_source(lake, folder)
    assert "too large" in report.rejects[0].what


def test_files_that_are_no_images_are_counted(lake: Lake, folder: Path) -> None:
    write(folder / "README.txt", b"hello")
    write(folder / "cats" / "notes.txt", b"hello")
    write(folder / "cats" / ".DS_Store", b"hello")
    write(folder / "cats" / "really", picture(3))
    (folder / "birds").mkdir()
    report = import_source(lake, folder)
    assert report.version.rows == 11
    assert any("2 files" in note for note in report.notes)
    assert any('"birds" holds no images' in note for note in report.notes)


def test_one_class_is_said(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "set" / "only" / "a.png", picture(1))
    assert any("one class" in note for note in import_source(lake, tmp_path / "set").notes)


def test_folders_without_classes_or_images(tmp_path: Path, refuses: Refuses) -> None:
    write(tmp_path / "flat" / "a.png", picture(1))
    refuses(tmp_path / "flat", "no class folders", code=2)
    write(tmp_path / "texts" / "a" / "a.txt", b"hello")
    refuses(tmp_path / "texts", "there are no images", code=2, format="images")


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


IMAGES = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)
LABELS = np.array([3, 1, 4, 1, 5, 9], np.uint8)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    root = tmp_path / "digits"
    write(root / "train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES)))
    write(root / "train-labels-idx1-ubyte", idx(LABELS))
    write(root / "t10k-images-idx3-ubyte", idx(IMAGES[:2]))
    write(root / "t10k-labels-idx1-ubyte.gz", gzip.compress(idx(LABELS[:2])))
    return root


def test_idx_images_come_back_to_the_last_bit(lake: Lake, digits: Path) -> None:
    version = import_source(lake, digits).version
    assert [c.name for c in version.columns] == ["image", "label", "split"]
    with lake.open(version) as view:
        rows = view.rows(range(8))
    assert [row["label"] for row in rows] == ["3", "1", "4", "1", "5", "9", "3", "1"]
    assert [row["split"] for row in rows] == ["train"] * 6 + ["test"] * 2
    for row, pixels in zip(rows, [*IMAGES, *IMAGES[:2]], strict=True):
        assert (np.asarray(Image.open(io.BytesIO(row["image"]))) == pixels).all()


def test_one_idx_file_finds_its_labels(lake: Lake, digits: Path, refuses: Refuses) -> None:
    report = import_source(lake, digits / "train-images-idx3-ubyte.gz", "one")
    assert report.version.rows == 6
    refuses(digits / "train-labels-idx1-ubyte", "this file holds labels", code=2)
    (digits / "train-labels-idx1-ubyte").unlink()
    error = refuses(digits, "the file of labels is missing", code=2)
    assert "train-labels-idx1-ubyte" in error.hint


def test_idx_files_that_do_not_fit(digits: Path, refuses: Refuses) -> None:
    labels, images = digits / "train-labels-idx1-ubyte", digits / "train-images-idx3-ubyte.gz"
    labels.write_bytes(idx(LABELS[:5]))
    refuses(digits, "holds 6 images, train-labels-idx1-ubyte holds 5 labels")
    labels.write_bytes(idx(LABELS)[:-1])
    refuses(digits, "should hold 6 bytes of data, it holds 5")
    labels.write_bytes(idx(LABELS, kind=0x0D))
    refuses(digits, "type 0x0d, not unsigned bytes")
    labels.write_bytes(b"text")
    refuses(digits, "this is no IDX file")
    labels.write_bytes(idx(LABELS))
    noise = np.random.default_rng(0).integers(0, 256, (6, 50, 50), dtype=np.uint8)
    images.write_bytes(gzip.compress(idx(noise))[:-500])
    refuses(digits, "cut short or damaged")
    images.write_bytes(gzip.compress(idx(LABELS)))
    refuses(digits, "1 dimensions (6,), not images")


def test_colour_png_comes_back_to_the_last_bit() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert image.mode == "RGB"
        assert (np.asarray(image) == pixels).all()
