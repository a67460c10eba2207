"""Workbooks: types of whole columns, and everything that people do to sheets."""

from __future__ import annotations

import datetime
import random
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core.data.lake.lake import Lake
from core.data.sources import Options
from tests.data.conftest import Refuses
from tests.data.sources.files import read, types, write


def workbook(path: Path, sheets: dict[str, Iterable[Iterable[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def test_columns_have_the_type_of_all_their_cells(lake: Lake, tmp_path: Path) -> None:
    moment, day = datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.date(2026, 1, 2)
    path = workbook(
        tmp_path / "t.xlsx",
        {
            "Data": [
                ["whole", "real", "word", "code", "ok", "when", "day", "both", 2024],
                [1, 1.5, "a", "007", True, moment, day, moment, "x"],
                [2, 2, "b", "010", False, moment, day, day, None],
                [None, None, None, None, None, None, None, None, "y"],
            ]
        },
    )
    report, rows = read(lake, path)
    assert types(report) == {
        "whole": "BIGINT",
        "real": "DOUBLE",
        "word": "VARCHAR",
        "code": "VARCHAR",
        "ok": "BOOLEAN",
        "when": "TIMESTAMP",
        "day": "DATE",
        "both": "TIMESTAMP",
        "2024": "VARCHAR",
    }
    midnight = datetime.datetime(2026, 1, 2)
    assert rows[0] == (1, 1.5, "a", "007", True, moment, day, moment, "x")
    assert rows[1][7] == midnight
    assert rows[2] == (None,) * 8 + ("y",)


def test_words_among_numbers_are_rejected_by_their_row(lake: Lake, tmp_path: Path) -> None:
    rows: list[list[Any]] = [["n", "w"], *([i, "w"] for i in range(60))]
    rows[30][0] = "oops"
    rows.insert(10, [])
    report, kept = read(lake, workbook(tmp_path / "t.xlsx", {"Data": rows}))
    assert types(report)["n"] == "BIGINT"
    assert len(kept) == 59
    assert [(r.where, r.column, r.value) for r in report.rejects] == [("row 32", "n", "oops")]
    assert any("left out: 1 empty row" in note for note in report.notes)


def test_a_column_of_several_kinds_is_text(lake: Lake, tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 2)
    rows = [["x"], [1], ["a"], [day], [2.5], [True]]
    report, kept = read(lake, workbook(tmp_path / "t.xlsx", {"Data": rows}))
    assert kept == [("1",), ("a",), ("2026-01-02",), ("2.5",), ("true",)]
    assert any('"x" holds cells of several kinds' in note for note in report.notes)


def test_a_type_that_is_said(lake: Lake, tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": [["n", "m"], [1, 1], [2, 2]]})
    report, rows = read(lake, path, types={"n": "text", "m": "number"})
    assert types(report) == {"n": "VARCHAR", "m": "DOUBLE"}
    assert rows == [("1", 1.0), ("2", 2.0)]


def test_the_first_sheet_with_rows_or_the_one_named(
    lake: Lake, tmp_path: Path, refuses: Refuses
) -> None:
    sheets = {"Cover": [["Our numbers"]], "Empty": [], "A & B": [["n"], [1]], "Old": [["z"], [9]]}
    path = workbook(tmp_path / "t.xlsx", sheets)
    report, rows = read(lake, path)
    assert (list(types(report)), rows) == (["n"], [(1,)])
    assert any('"A & B" was read' in note and "Old" in note for note in report.notes)
    assert read(lake, path, table="old")[1] == [(9,)]
    error = refuses(path, 'no sheet "Odl"', code=2, said=Options(table="Odl"))
    assert '"Old"' in error.hint
    refuses(path, "there are no rows", code=2, said=Options(table="Cover"))


def test_titles_gaps_merged_cells_errors_and_equal_names(lake: Lake, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["B2"] = "Sales of 2026"
    for row, cells in enumerate((["n", None, "n", None], [1, None, 2, 3], [4, None, 5, 6]), 5):
        for column, cell in enumerate(cells, 2):
            sheet.cell(row, column, cell)
    sheet["D7"] = "#N/A"
    sheet["B9"] = 7
    sheet.merge_cells("B9:E9")
    book.save(tmp_path / "t.xlsx")
    report, rows = read(lake, tmp_path / "t.xlsx")
    assert list(types(report)) == ["n", "n_1", "column2"]
    assert rows == [(1, 2, 3), (4, None, 6), (7, None, None)]
    notes = "\n".join(report.notes)
    assert 'row 2, "Sales of 2026", stands above the header' in notes
    assert "1 cell with errors" in notes
    assert "1 group of merged cells" in notes
    assert "left out: 1 empty row and 1 empty column" in notes


def test_a_folder_of_workbooks(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    for month in (1, 2):
        rows = [["n"], *([month * 10 + i] for i in range(30))]
        workbook(tmp_path / "year" / f"{month}.xlsx", {"Data": rows})
    assert len(read(lake, tmp_path / "year")[1]) == 60
    workbook(tmp_path / "year" / "3.xlsx", {"Data": [["n"], ["oops"]]})
    report, _ = read(lake, tmp_path / "year")
    assert [r.where for r in report.rejects] == [f"{tmp_path / 'year' / '3.xlsx'}, row 2"]
    workbook(tmp_path / "year" / "4.xlsx", {"Data": [["m"], [1]]})
    refuses(tmp_path / "year", "the sheets do not have the same columns: m, n")


def open_document(path: Path, rows: str) -> Path:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="Data">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def test_an_open_document(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    word = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="{}"{}/>'
    header = f"<table:table-row>{word.format('n')}{word.format('w')}</table:table-row>"
    row = f"<table:table-row>{number.format(7, '')}{word.format('x')}</table:table-row>"
    path = open_document(tmp_path / "t.ods", header + row)
    assert read(lake, path)[1] == [(7, "x")]
    wide = number.format(7, ' table:number-columns-repeated="16384"')
    deep = f'<table:table-row table:number-rows-repeated="1048576">{wide}</table:table-row>'
    refuses(open_document(tmp_path / "bomb.ods", header + deep), "cut short or damaged")


def test_a_cell_at_the_far_corner_does_not_fill_the_memory(
    tmp_path: Path, refuses: Refuses
) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["A2"], book.active["XFD1048576"] = "n", 1, 2
    book.save(tmp_path / "far.xlsx")
    refuses(tmp_path / "far.xlsx", "reaches over 1,048,576 rows and 16,384 columns for 3 cells")


def test_a_workbook_that_is_a_bomb(tmp_path: Path, refuses: Refuses) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": [["n"], [1]]})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings2.xml", "w") as out,
    ):
        for _ in range(300):
            out.write(b" " * (1 << 20))
    refuses(path, "which no honest workbook does")


def test_workbooks_that_are_none(tmp_path: Path, refuses: Refuses) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": [["n"], *([i] for i in range(500))]})
    content = path.read_bytes()
    refuses(write(tmp_path / "cut.xlsx", content[:-300]), "cut short or damaged")
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    refuses(write(tmp_path / "none.xls", ole + bytes(4000)), "cut short or damaged")


@pytest.mark.parametrize("seed", range(8))
def test_altered_bytes_never_crash(lake: Lake, tmp_path: Path, seed: int) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": [["n", "w"], *([i, f"w{i}"] for i in range(99))]})
    content = bytearray(path.read_bytes())
    noise = random.Random(seed)
    for _ in range(30):
        content[noise.randrange(len(content))] = noise.randrange(256)
    path.write_bytes(content)
    try:
        read(lake, path)
    except Exception as error:
        assert type(error).__name__ in ("LeptonError", "UsageError"), error
        assert not lake.datasets()
