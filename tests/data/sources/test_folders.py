"""A folder, or a pattern, of files of rows is read as one; what does not belong is said."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.data.sources.folders import listing
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write


def test_a_folder_of_csv_files_in_the_order_of_their_names(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write(folder / "b.csv", "n,w\n3,c\n")
    write(folder / "a.csv", "n,w\n1,a\n2,b\n")
    write(folder / "deeper" / "c.csv.gz", gzip.compress(b"n,w\n4,d\n"))
    write(folder / ".hidden.csv", "n,w\n9,z\n")
    write(folder / "README.txt", "what it is")
    report, rows = read(lake, folder)
    assert rows == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert report.version.params["format"] == "csv"
    assert any("1 file in the folder left out: not CSV text" in note for note in report.notes)
    named = [str(folder / name) for name in ("a.csv", "b.csv", "deeper/c.csv.gz")]
    assert list(report.version.params["files"]) == named
    _, rows = read(lake, f"{folder}/*.csv")
    assert len(rows) == 3


def test_a_folder_of_several_formats_asks_which(
    lake: Lake, tmp_path: Path, refuses: Refuses
) -> None:
    folder = tmp_path / "both"
    write(folder / "a.csv", "n\n1\n")
    write(folder / "b.csv", "n\n2\n")
    write(folder / "c.jsonl", '{"n": 3}\n')
    error = refuses(folder, "several formats: 2 of csv, 1 of jsonl", code=2)
    assert "--format csv" in error.hint
    report, rows = read(lake, folder, "jsonl")
    assert rows == [(3,)]
    assert any("2 files" in note for note in report.notes)


def test_a_bad_file_in_a_folder_is_left_out_and_told(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    for name in "abc":
        write(folder / f"{name}.csv", "n\n1\n2\n")
    write(folder / "d.csv", "")
    write(folder / "e.csv", b"\x89PNG\r\n\x1a\n" + bytes(100))
    report, rows = read(lake, folder)
    assert len(rows) == 6
    assert [(reject.where.split(", ")[1], reject.what) for reject in report.rejects] == [
        ("d.csv", "the file is empty"),
        (
            "e.csv",
            "the file is not what you named: CSV text was expected, this is a PNG image",
        ),
    ]


def test_links_out_of_a_folder_are_not_followed(
    lake: Lake, tmp_path: Path, refuses: Refuses
) -> None:
    secret = write(tmp_path / "outside" / "secret.csv", "n\n666\n")
    folder = tmp_path / "parts"
    write(folder / "a.csv", "n\n1\n")
    (folder / "out.csv").symlink_to(secret)
    (folder / "around").symlink_to(folder)
    (folder / "same.csv").symlink_to(folder / "a.csv")
    (folder / "nowhere.csv").symlink_to(tmp_path / "gone")
    os.mkfifo(folder / "pipe.csv")
    report, rows = read(lake, folder)
    assert rows == [(1,), (1,)]
    assert any("3 links out of the folder" in note for note in report.notes)
    assert len(listing(folder).links) == 3
    (folder / "a.csv").unlink()
    (folder / "same.csv").unlink()
    refuses(folder, "no file in the folder", code=2, format="csv")


def test_files_without_suffix_are_known_by_their_content(lake: Lake, tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "out" / f"part-0000{i}", json.dumps({"n": i}) + "\n")
    write(tmp_path / "out" / "_SUCCESS", "")
    report, rows = read(lake, tmp_path / "out")
    assert rows == [(0,), (1,), (2,)]
    assert report.version.params["format"] == "jsonl"


def test_json_over_several_files_has_every_key(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    write(folder / "a.jsonl", '{"n": 1}\n{"n": 2}\n')
    write(folder / "b.json", '[{"n": 2.5, "w": "x"}]')
    write(folder / "c.json", '{\n "n": 4,\n "deep": {"k": 1}\n}')
    report, rows = read(lake, folder)
    assert types(report) == {"n": "DOUBLE", "w": "VARCHAR", "deep": "VARCHAR"}
    assert rows[2:] == [(2.5, "x", None), (4.0, None, '{"k":1}')]


def test_bad_lines_of_several_json_files_name_file_and_line(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    good = "".join(json.dumps({"n": i}) + "\n" for i in range(40))
    write(folder / "a.jsonl", good)
    write(folder / "b.jsonl", good + '{"n": \n' + good + '{"n": "oops"}\n')
    report, rows = read(lake, folder)
    assert len(rows) == 120
    assert [(reject.where, reject.value) for reject in report.rejects] == [
        (f"{folder / 'b.jsonl'}, line 41", '{"n":'),
        (f"{folder / 'b.jsonl'}, line 82", "oops"),
    ]


def test_a_folder_of_feather_files(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    (tmp_path / "f").mkdir()
    for i in range(3):
        feather.write_feather(
            pa.table({"n": [i], "w": [f"w{i}"]}), str(tmp_path / "f" / f"{i}.feather")
        )
    assert read(lake, tmp_path / "f")[1] == [(0, "w0"), (1, "w1"), (2, "w2")]
    feather.write_feather(pa.table({"n": [1.5], "w": ["x"]}), str(tmp_path / "f" / "3.feather"))
    refuses(tmp_path / "f", "do not have the same columns of the same types")
    feather.write_feather(pa.table({"n": [1], "z": ["x"]}), str(tmp_path / "f" / "3.feather"))
    refuses(tmp_path / "f", "do not have the same columns: w, z")


def test_very_many_files_are_remembered_as_one(lake: Lake, tmp_path: Path) -> None:
    for i in range(1001):
        write(tmp_path / "many" / f"{i:04}.txt", f"text {i}")
    report = import_source(lake, tmp_path / "many")
    assert report.version.rows == 1001
    assert list(report.version.params["files"]) == ["files"]


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"new\nline.txt", b"quo'te\".txt"])
def test_any_file_name_will_do(lake: Lake, tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path / "odd")
    Path(os.fsdecode(folder)).mkdir()
    for each in (name, b"b.txt"):
        Path(os.fsdecode(folder + b"/" + each)).write_text("some text")
    _, rows = read(lake, tmp_path / "odd")
    assert name.decode(errors="replace") in {row[2] for row in rows}
