"""Excel: cells have the types of their values, and no text becomes a formula."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from core.data.exporting import excel
from core.data.exporting.export import export
from core.data.lake.lake import Lake
from core.data.splitting.split import split
from core.errors import LeptonError, UsageError


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def write(lake: Lake, path: Path, **columns: Any) -> tuple[list[list[Any]], list[str]]:
    lake.commit("things", pa.table(columns), op="import")
    with lake.open("things") as view:
        done = export(view, path)
    assert done.format == "excel"
    return sheets(path)["rows"], done.notes


def test_cells_have_the_types_of_their_values(lake: Lake, tmp_path: Path) -> None:
    moment = dt.datetime(2024, 5, 31, 17, 30, 15)
    zoned = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
    rows, notes = write(
        lake,
        tmp_path / "out.xlsx",
        whole=[5],
        half=[0.5],
        truth=[True],
        word=["é😀"],
        day=[dt.date(2024, 5, 31)],
        moment=[moment],
        zoned=pa.array([zoned], pa.timestamp("us", "Europe/Berlin")),
        price=pa.array([Decimal("12.25")], pa.decimal128(10, 2)),
        number_as_text=["0042"],
        several=[["a", "b"]],
        missing=pa.array([None], pa.int64()),
        last=["end"],
    )
    assert rows[0][:4] == ["whole", "half", "truth", "word"]
    assert rows[1] == [
        5,
        0.5,
        True,
        "é😀",
        dt.date(2024, 5, 31),
        moment,
        moment - dt.timedelta(hours=2),
        12.25,
        "0042",
        '["a", "b"]',
        "",
        "end",
    ]
    assert notes == []
    (sheet,) = load_workbook(tmp_path / "out.xlsx").worksheets
    assert sheet["C2"].data_type == "b"
    assert sheet["K2"].value is None
    assert sheet.freeze_panes == "A2"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "#N/A", "#DIV/0!", "TRUE", "1e5"],
)
def test_text_stays_text(lake: Lake, tmp_path: Path, text: str) -> None:
    rows, _ = write(lake, tmp_path / "out.xlsx", **{text: [text]})
    assert rows == [[text], [text]]
    (sheet,) = load_workbook(tmp_path / "out.xlsx").worksheets
    assert {cell.data_type for (cell,) in sheet.iter_rows()} <= {"s", "inlineStr"}


def test_characters_that_xml_has_not_come_back(lake: Lake, tmp_path: Path) -> None:
    texts = ["bell \x07", "like one: _x0041_", "two\nlines\tand a tab", "  spaces  "]
    rows, _ = write(lake, tmp_path / "out.xlsx", text=texts)
    assert [text for (text,) in rows[1:]] == texts


def test_what_excel_cannot_hold_is_written_as_text_and_said(lake: Lake, tmp_path: Path) -> None:
    rows, notes = write(
        lake,
        tmp_path / "out.xlsx",
        large=[2**53 + 1, 2**53],
        wild=[float("inf"), float("nan")],
        old=[dt.date(1815, 12, 10), dt.date(1900, 1, 1)],
        fine=pa.array([Decimal("1.12345678901234567890"), Decimal(1)], pa.decimal128(30, 20)),
    )
    assert rows[1] == ["9007199254740993", "inf", "1815-12-10", "1.12345678901234567890"]
    assert rows[2] == [2**53, "", dt.date(1900, 1, 1), 1]
    assert [note.replace(" written as text, for Excel cannot hold them", "") for note in notes] == [
        "large whole numbers: 1",
        "infinite numbers: 1",
        "dates before 1900: 1",
        "numbers of many digits: 1",
    ]


def test_a_full_sheet_is_followed_by_another(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "SHEET_ROWS", 1001)
    lake.commit("things", pa.table({"x": list(range(2500))}), op="import")
    with lake.open("things") as view:
        done = export(view, tmp_path / "out.xlsx")
    found = sheets(tmp_path / "out.xlsx")
    assert list(found) == ["rows", "rows 2", "rows 3"]
    assert [rows[0] for rows in found.values()] == [["x"]] * 3
    assert [x for rows in found.values() for (x,) in rows[1:]] == list(range(2500))
    assert done.rows == 2500
    assert done.notes == ["the rows lie on 3 sheets, for one holds 1,000"]


def test_one_split_and_some_columns(lake: Lake, tmp_path: Path) -> None:
    lake.commit("things", pa.table({"x": list(range(50)), "y": ["a"] * 50}), op="import")
    with lake.open(split(lake, "things", test=0.2)) as view:
        done = export(view, tmp_path / "out.xlsx", split="test", columns=["x"])
        wanted = view.sql("SELECT x FROM rows WHERE split = 'test' ORDER BY _rid")
    assert done.rows == 10
    assert [tuple(row) for row in sheets(tmp_path / "out.xlsx")["rows"]] == [("x",), *wanted]


def test_what_does_not_fit_is_refused_and_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LeptonError, match=r'40,000 characters in "text".*row 1') as caught:
        write(lake, tmp_path / "out.xlsx", text=["short", "x" * 40_000])
    assert "--columns" in caught.value.hint
    with pytest.raises(UsageError, match="holds bytes, which excel cannot"):
        write(lake, tmp_path / "out.xlsx", raw=[b"\0"])
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_without_openpyxl_the_way_to_it_is_said(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(UsageError, match="openpyxl") as caught:
        write(lake, tmp_path / "out.xlsx", x=[1])
    assert 'pip install "lepton-tui[excel]"' in caught.value.hint
