"""Plain text: by line, by paragraph, by file, and folders of it as classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options
from core.data.sources.tables.text_files import PIECE
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write

TEXT = "One line, of prose\nanother\n\n\n  indented\n   \nlast"


def test_by_line_paragraph_and_file(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", TEXT)
    report, rows = read(lake, path)
    assert types(report) == {"text": "VARCHAR", "line": "BIGINT"}
    assert rows == [("One line, of prose", 1), ("another", 2), ("  indented", 5), ("last", 7)]
    report, rows = read(lake, path, text_by="paragraph")
    assert types(report) == {"text": "VARCHAR", "paragraph": "BIGINT"}
    assert rows == [("One line, of prose\nanother", 1), ("  indented", 2), ("last", 3)]
    report, rows = read(lake, path, text_by="file")
    assert rows == [(TEXT,)]


def test_an_unknown_unit_is_refused(tmp_path: Path, refuses: Refuses) -> None:
    path = write(tmp_path / "a.txt", TEXT)
    error = refuses(path, 'cannot be read by "lines"', code=2, said=Options(text_by="lines"))
    assert '"line"' in error.hint


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("table.txt", "a,b\n1,2\n3,4\n", "csv"),
        ("table.txt", "a\tb\n1\t2\n3\t4\n", "csv"),
        ("prose.txt", "Well, this is it.\nAnd, so, on.\nNo, really.\n", "text"),
        ("run.log", "2026-01-01 10:00:00,123 INFO a\n2026-01-01 10:00:01,456 INFO b\n", "text"),
        ("notes.md", "# Title\n\n- a, b\n- c, d\n", "text"),
    ],
)
def test_text_that_is_a_table_is_read_as_one(
    lake: Lake, tmp_path: Path, name: str, content: str, format: str
) -> None:
    report, _ = read(lake, write(tmp_path / name, content))
    assert report.version.params["format"] == format


def test_a_table_is_read_as_text_when_that_is_said(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n")
    assert read(lake, path, "text")[1] == [("a,b", 1), ("1,2", 2)]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_encodings(lake: Lake, tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.txt", "café\r\nnaïve\r\n".encode(encoding))
    assert read(lake, path)[1] == [("café", 1), ("naïve", 2)]


def reviews(folder: Path) -> None:
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            for i in range(2):
                write(folder / split / label / f"{i}_7.txt", f"a {label} film")
    write(folder / "train" / "urls_pos.txt", "http://x")
    write(folder / "README", "about it")


def test_folders_of_classes_and_splits(lake: Lake, tmp_path: Path) -> None:
    reviews(tmp_path / "imdb")
    report, rows = read(lake, tmp_path / "imdb", text_by="file")
    assert list(types(report)) == ["text", "path", "label", "split"]
    assert rows[0] == ("a neg film", "train/neg/0_7.txt", "neg", "train")
    assert [row[3] for row in rows] == ["train"] * 4 + ["test"] * 4
    assert any("in no class folder" in note for note in report.notes)


def test_folders_of_classes_without_splits(lake: Lake, tmp_path: Path) -> None:
    for label in ("ham", "spam"):
        write(tmp_path / "mail" / label / "1.txt", f"it is {label}")
    _, rows = read(lake, tmp_path / "mail", text_by="file")
    assert rows == [
        ("it is ham", "ham/1.txt", "ham"),
        ("it is spam", "spam/1.txt", "spam"),
    ]


def test_a_file_beside_folders_loses_nothing(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "docs" / "index.md", "start")
    write(tmp_path / "docs" / "guide" / "one.md", "one")
    report, rows = read(lake, tmp_path / "docs")
    assert list(types(report)) == ["text", "line", "path"]
    assert rows == [("one", 1, "guide/one.md"), ("start", 1, "index.md")]


def test_a_line_of_a_hundred_megabytes(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    with path.open("w") as file:
        file.write("short\n")
        for _ in range(100):
            file.write("x" * PIECE)
        file.write("\nend\n")
    _, rows = read(lake, path)
    assert [(len(text), line) for text, line in rows] == [(5, 1), (100 * PIECE, 2), (3, 3)]


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1])
def test_lines_about_as_long_as_a_piece(lake: Lake, tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "long.txt", f"{'x' * size}\n\n{'y' * size}")
    assert [(len(t), t[:1], line) for t, line in read(lake, path)[1]] == [
        (size, "x", 1),
        (size, "y", 3),
    ]


def test_only_blank_lines(tmp_path: Path, refuses: Refuses) -> None:
    path = write(tmp_path / "a.txt", "\n  \n\n")
    refuses(path, "nothing but blank lines")
