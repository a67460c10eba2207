"""A source is judged by its content, and told when its name says something else."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.data.sources import Reading, default_name, import_source
from core.data.sources.detect import detect
from core.data.sources.file_kind import file_kind
from tests.data.conftest import Refuses

PARQUET = io.BytesIO()
pq.write_table(pa.table({"a": [1, 2]}), PARQUET)
PNG = io.BytesIO()
Image.new("RGB", (4, 4)).save(PNG, "PNG")
ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w") as packed:
    packed.writestr("a.csv", "a,b\n1,2\n")
TAR = io.BytesIO()
with tarfile.open(fileobj=TAR, mode="w") as packed_tar:
    packed_tar.addfile(tarfile.TarInfo("a.csv"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", PARQUET.getvalue(), "CSV text was expected, this is a Parquet file"),
        ("a.parquet", b"a,b\n1,2\n", "a Parquet file was expected, this is text"),
        ("a.parquet", b"", "the file is empty"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b'{"a": 1}\n{"a": 2}\n', "CSV text was expected, this is JSON Lines"),
        ("a.jsonl", b"a,b\n1,2\n", "JSON Lines was expected, this is other text"),
        ("a.csv", PNG.getvalue(), "CSV text was expected, this is a PNG image"),
        ("a.png", PNG.getvalue(), "this is a PNG image, one file"),
        ("a.csv", ZIP.getvalue(), "this is a zip archive"),
        ("a.tar", TAR.getvalue(), "the file is empty"),
        ("a.xlsx", ZIP.getvalue(), "a workbook was expected, this is a zip archive"),
        ("a.csv", random.Random(1).randbytes(5000), "binary data of an unknown kind"),
        ("a.bin", random.Random(2).randbytes(5000), "binary data of an unknown kind"),
        ("a.parquet", random.Random(3).randbytes(5000), "binary data of an unknown kind"),
        ("a.pkl", b"\x80\x04\x95" + b"x" * 100, "this is a pickle"),
        ("a.csv", b"SQLite format 3\0" + bytes(100), "this is an SQLite database"),
    ],
)
def test_what_is_not_what_its_name_says(
    tmp_path: Path, refuses: Refuses, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refuses(path, words, code=2).where


def test_what_a_terminal_coloured_is_text(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"level,said\n" + b"\x1b[31mERROR\x1b[0m,\x07x\n" * 50)
    assert file_kind(path) == "csv"


def test_missing_files_name_the_nearest(tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "flowers.csv").write_text("a\n1\n")
    assert "flowers.csv" in refuses(tmp_path / "flower.csv", "no such file", code=2).hint


def test_unreadable_files(
    tmp_path: Path, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n1,2\n")
    real = Path.open

    def locked(self: Path, *args: object, **more: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return real(self, *args, **more)

    # Root, who runs this in containers, may read what no one else may.
    monkeypatch.setattr(Path, "open", locked)
    refuses(path, "cannot be read: Permission denied", code=2)


def test_folders_without_data(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    refuses(folder, "the folder is empty", code=2)
    (folder / "model.pkl").write_bytes(b"\x80\x04\x95" + b"x" * 100)
    refuses(folder, "holds no data", code=2)
    refuses(folder, "no file in the folder that is CSV text", code=2, format="csv")


def test_a_named_format_is_held_against_the_content(
    lake: Lake, tmp_path: Path, refuses: Refuses
) -> None:
    path = tmp_path / "data.txt"
    path.write_text("a|b\n1|2\n")
    assert import_source(lake, path).version.params["format"] == "csv"
    assert import_source(lake, path, reading=Reading(format="csv")).version.n == 2
    refuses(path, "you named: a Parquet file was expected", code=2, format="parquet")
    assert "parquet" in refuses(path, 'no format "parqet"', code=2, format="parqet").hint


def test_content_finds_the_format_of_an_unknown_name(tmp_path: Path) -> None:
    for content, kind in (
        (PARQUET.getvalue(), "parquet"),
        (b'{"a": 1}\n', "jsonl"),
        (b'[{"a": 1}]', "jsonl"),
        (b"a,b\n1,2\n", "csv"),
        (gzip.compress(b'{"a": 1}\n'), "jsonl"),
        ("a,b\n1,ü\n".encode("utf-16"), "csv"),
        ("имя,b\nа,б\n".encode(), "csv"),
        (b"Well, this is prose.\nIt has, of course, commas.\n", "text"),
        (b"one line, no more", "text"),
    ):
        (tmp_path / "thing").write_bytes(content)
        assert detect(tmp_path / "thing") == kind


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/My Photos!/", "my-photos"),
        ("train.csv.gz", "train"),
        ("a/b/Iris_2.0.parquet", "iris_2.0"),
        ("données.csv", "donn-es"),
        ("____.csv", "dataset"),
    ],
)
def test_default_names(source: str, name: str) -> None:
    assert default_name(source) == name
