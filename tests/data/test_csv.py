"""CSV and TSV: what DuckDB's own sniffer gets wrong without a word must be right, or be said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.data.lake.rejected import rejected_rows
from core.data.sources import ImportReport, import_source
from core.data.sources.tables import delimited
from core.data.sources.tables.survey import CHUNK
from tests.data.conftest import Refuses, state


def numbered(rows: int, head: str = "a,b,c") -> str:
    return f"{head}\n" + "".join(f"{i},w{i},{i / 2}\n" for i in range(rows))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def types(report: ImportReport) -> dict[str, str]:
    return {column.name: column.type for column in report.version.columns}


def rows(lake: Lake, report: ImportReport) -> list[tuple[object, ...]]:
    with lake.open(report.version) as view:
        return [row[1:] for row in view.page(0, 10_000)]


def test_a_plain_file_keeps_order_and_types(lake: Lake, csv: Path) -> None:
    csv.write_text(
        "id,name,price,when,day,ok,code\n"
        "1,Ann,1.5,2026-01-02 03:04:05,2026-01-02,true,007\n"
        '2,"Bo, ""the"" cat",2,2026-01-03 00:00:00,2026-01-03,false,012\n'
        "3,,,,,,\n"
    )
    report = import_source(lake, csv, target="ok", task="tabular-classification", inputs=["price"])
    assert types(report) == {
        "id": "BIGINT",
        "name": "VARCHAR",
        "price": "DOUBLE",
        "when": "TIMESTAMP",
        "day": "DATE",
        "ok": "BOOLEAN",
        "code": "VARCHAR",
    }
    found = rows(lake, report)
    assert found[1][:3] == (2, 'Bo, "the" cat', 2.0)
    assert found[0][-1] == "007", "leading zeros are part of a code"
    assert found[2] == (3, None, None, None, None, None, None)
    version = report.version
    assert (version.dataset, version.n, version.op) == ("table", 1, "import")
    assert (version.target, version.task, version.inputs) == (
        "ok",
        "tabular-classification",
        ("price",),
    )
    assert version.params["format"] == "csv"
    (file,) = version.params["files"].values()
    assert file["bytes"] == csv.stat().st_size
    assert not report.rejects
    assert not report.notes


def test_ten_thousand_rows_stay_in_order(lake: Lake, csv: Path) -> None:
    csv.write_text(numbered(30_000))
    report = import_source(lake, csv)
    with lake.open(report.version) as view:
        assert view.sql("SELECT count(*) FROM rows WHERE _rid = a")[0][0] == 30_000


def test_a_ragged_line_is_rejected_and_the_columns_stay(lake: Lake, csv: Path) -> None:
    csv.write_text(numbered(2000) + "total rows: 12\n" + "1,2,3,4\n" + "5,x,6\n")
    report = import_source(lake, csv)
    assert types(report) == {"a": "BIGINT", "b": "VARCHAR", "c": "DOUBLE"}
    assert report.version.rows == 2001
    assert report.rejected == 2
    few, many = report.rejects
    assert (few.where, few.what, few.value) == (
        "line 2,002",
        "the line has too few fields",
        "total rows: 12",
    )
    assert (many.where, many.what) == ("line 2,003", "the line has too many fields")
    assert lake.version("table").params["rejected"] == 2
    kept = rejected_rows(lake, "table").to_pylist()
    assert [(row["position"], row["value"]) for row in kept] == [
        ("line 2,002", "total rows: 12"),
        ("line 2,003", many.value),
    ]
    assert {row["file"] for row in kept} == {str(csv)}


def test_text_in_a_number_column_is_rejected_cell_by_cell(lake: Lake, csv: Path) -> None:
    lines = [f"{i},w{i}" for i in range(100)]
    lines[40] = '40,"two\nlines"'
    lines[60] = ""
    lines[70] = "oops,w"
    csv.write_text("n,word\n" + "\n".join(lines) + "\n1,2,3\n12x,w\n")
    report = import_source(lake, csv)
    assert types(report)["n"] == "BIGINT"
    bad = [reject for reject in report.rejects if reject.column == "n"]
    assert [(reject.where, reject.value) for reject in bad] == [
        ("line 73", "oops"),
        ("line 104", "12x"),
    ]
    assert csv.read_text().splitlines()[72] == "oops,w"
    assert csv.read_text().splitlines()[103] == "12x,w"
    assert report.version.rows == 98


def test_a_column_that_is_partly_numbers_stays_text(lake: Lake, csv: Path) -> None:
    csv.write_text("n\n" + "1\n2\nx\n" * 10)
    report = import_source(lake, csv)
    assert types(report) == {"n": "VARCHAR"}
    assert report.version.rows == 30


def test_marks_for_missing_numbers_are_missing_and_said(lake: Lake, csv: Path) -> None:
    csv.write_text("n,word\n1,NA\nNA,x\n 3 ,y\nnan,z\n")
    report = import_source(lake, csv)
    assert rows(lake, report) == [(1, "NA"), (None, "x"), (3, "y"), (None, "z")]
    assert any("2 cells" in note and '"n"' in note for note in report.notes)


def test_names_that_only_look_like_numbers_stay_text(lake: Lake, csv: Path) -> None:
    csv.write_text("a,b,c\n1_1,inf,x\n1_2,inf,y\n")
    assert set(types(import_source(lake, csv)).values()) == {"VARCHAR"}


def test_decimal_commas_become_numbers_and_thousands_do_not(lake: Lake, csv: Path) -> None:
    csv.write_text("a;b\n1,5;1,234\n2,25;2,345\n-3;5,678\n")
    report = import_source(lake, csv)
    assert types(report) == {"a": "DOUBLE", "b": "VARCHAR"}
    assert rows(lake, report)[1] == (2.25, "2,345")
    assert any("decimal comma" in note for note in report.notes)
    assert any("thousands" in note for note in report.notes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(lake: Lake, csv: Path, delimiter: str) -> None:
    csv.write_text(numbered(20).replace(",", delimiter))
    assert list(types(import_source(lake, csv))) == ["a", "b", "c"]


def test_tsv_may_hold_commas(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    path.write_text("text\tlabel\nyes, well, no\tneg\ngood, very\tpos\n")
    report = import_source(lake, path)
    assert rows(lake, report) == [("yes, well, no", "neg"), ("good, very", "pos")]


def test_one_column_of_text_may_hold_commas(lake: Lake, csv: Path) -> None:
    csv.write_text("text\nhello world\none, two\na, b, c\nplain\n")
    report = import_source(lake, csv)
    assert rows(lake, report) == [("hello world",), ("one, two",), ("a, b, c",), ("plain",)]


def test_a_title_above_the_header_is_refused(csv: Path, refuses: Refuses) -> None:
    csv.write_text("Sales of 2026\n" + numbered(20))
    refuses(csv, "the first line has 1 field, the lines after it 3")


def test_a_file_without_a_header_keeps_its_first_line(lake: Lake, csv: Path) -> None:
    csv.write_text("1,good\n2,bad\n3,good\n")
    report = import_source(lake, csv)
    assert list(types(report)) == ["column0", "column1"]
    assert report.version.rows == 3
    assert any("first line looks like data" in note for note in report.notes)
    csv.write_text("fine film,pos\nbad film,neg\nmore,pos\n")
    assert import_source(lake, csv).version.rows == 3


def test_header_names_that_are_empty_or_come_twice(lake: Lake, csv: Path) -> None:
    csv.write_text("a,A,,a\n1,2,3,4\n")
    report = import_source(lake, csv)
    assert list(types(report)) == ["a", "A_1", "column2", "a_2"]
    assert len(report.notes) == 3


def test_gzip_is_read_through(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "packed.csv.gz"
    path.write_bytes(gzip.compress(numbered(50).encode()))
    report = import_source(lake, path)
    assert (report.version.dataset, report.version.rows) == ("packed", 50)


def test_a_cut_gzip_is_refused(tmp_path: Path, refuses: Refuses) -> None:
    path = tmp_path / "packed.csv.gz"
    path.write_bytes(gzip.compress(numbered(50_000).encode())[:-2000])
    refuses(path, "cut short or damaged")


@pytest.mark.parametrize(
    ("encoding", "said"), [("latin-1", "cp1252"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")]
)
def test_other_encodings_are_read_and_said(lake: Lake, csv: Path, encoding: str, said: str) -> None:
    csv.write_bytes("name,n\ncafé,1\nnaïve,2\n".encode(encoding))
    report = import_source(lake, csv)
    assert rows(lake, report) == [("café", 1), ("naïve", 2)]
    assert any(said in note for note in report.notes)


def test_a_utf8_mark_is_no_part_of_the_first_name(lake: Lake, csv: Path) -> None:
    csv.write_bytes("größe,b\n1,é\n".encode("utf-8-sig"))
    assert list(types(import_source(lake, csv))) == ["größe", "b"]


def test_line_ends_of_two_kinds(lake: Lake, csv: Path) -> None:
    csv.write_bytes(b"a,b\r\n1,x\r\n2,y\n3,z\r\n")
    assert rows(lake, import_source(lake, csv)) == [(1, "x"), (2, "y"), (3, "z")]


def test_nul_characters_are_taken_out_and_said(lake: Lake, csv: Path) -> None:
    csv.write_bytes(numbered(50).encode() + b"50,x\0y,1\n")
    report = import_source(lake, csv)
    assert rows(lake, report)[-1] == (50, "xy", 1.0)
    assert any("1 NUL" in note for note in report.notes)


@pytest.mark.parametrize("at", [0, 50, 99])
def test_an_unclosed_quotation_mark_never_swallows_lines(
    csv: Path, refuses: Refuses, at: int
) -> None:
    lines = [f"{i},w" for i in range(100)]
    lines[at] = f'{at},"oo'
    csv.write_text("a,b\n" + "\n".join([*lines, "100,end"]) + "\n")
    error = refuses(csv, f"a quotation mark opened on line {at + 2}")
    assert f"line {at + 2}" in error.where


@pytest.mark.parametrize("header", ['id,"name,v', '"id,name,v', 'id,name,"v', '"id', '\n\nid,"v'])
@pytest.mark.parametrize("rows", [1, 100, 100_000])
def test_an_unclosed_quotation_mark_in_the_header(
    csv: Path, refuses: Refuses, header: str, rows: int
) -> None:
    csv.write_text(f"{header}\n" + "".join(f"{i},w,1\n" for i in range(rows)))
    at = header.count("\n") + 1
    error = refuses(csv, f"a quotation mark opened on line {at} is not closed on it")
    assert error.where.endswith(f"table.csv, line {at}")


def test_how_much_a_quotation_mark_swallows_is_told(csv: Path, refuses: Refuses) -> None:
    csv.write_text('a,b\n1,"oo\n2,w\n3,w\n')
    refuses(csv, "line 2 is not closed on it, which makes one cell of 3 lines or more")
    csv.write_text('a,b,c\n1,"oo\n')
    assert refuses(csv, "opened on line 2 is not closed").what.endswith("not closed")


def test_a_cell_of_several_lines_is_one(lake: Lake, csv: Path) -> None:
    csv.write_text('"a\nb",c\n1,"x\ny"\n2,"x\n\n"\n')
    assert rows(lake, import_source(lake, csv)) == [(1, "x\ny"), (2, "x\n\n")]


def test_a_badly_closed_quotation_mark_costs_its_line(lake: Lake, csv: Path) -> None:
    csv.write_text('a,b\n1,5" pipe\n2,"bad"tail\n3,"he said ""hi"""\n')
    report = import_source(lake, csv)
    assert rows(lake, report) == [(1, '5" pipe'), (3, 'he said "hi"')]
    assert report.rejects[0].where == "line 3"


def test_mostly_rejected_is_an_error(csv: Path, refuses: Refuses) -> None:
    csv.write_text("a,b,c\n" + "1,2,3\n" * 5 + "1\n" * 3 + "1,2,3,4\n" * 4)
    refuses(csv, "7 of 12 lines cannot be read; the first is line 7")


def test_header_only(csv: Path, refuses: Refuses) -> None:
    csv.write_text("a,b,c\n")
    refuses(csv, "a header and no rows", code=2)


def test_a_line_over_the_limit(csv: Path, refuses: Refuses) -> None:
    csv.write_text("a,b\n1," + "x" * (17 << 20) + "\n")
    refuses(csv, "longer than 16 MB")


def test_names_that_the_lake_needs_itself(lake: Lake, csv: Path) -> None:
    csv.write_text("_rid,Split,x\n7,Training,1\n8,val,2\n9,TEST,3\n")
    report = import_source(lake, csv)
    assert list(types(report)) == ["source_rid", "split", "x"]
    with lake.open(report.version) as view:
        assert view.page(0, 3) == [(0, 7, "train", 1), (1, 8, "validation", 2), (2, 9, "test", 3)]
        assert view.splits() == {"test": 1, "train": 1, "validation": 1}
    csv.write_text("split,x\nleft,1\nright,2\n")
    report = import_source(lake, csv)
    assert list(types(report)) == ["source_split", "x"]
    assert any("source_split" in note for note in report.notes)


def test_a_second_import_is_the_next_version(lake: Lake, csv: Path) -> None:
    csv.write_text(numbered(5))
    assert import_source(lake, csv, "mine").notes == []
    csv.write_text(numbered(6))
    report = import_source(lake, csv, "mine")
    assert report.version.ref == "mine@2"
    assert any("version 2" in note for note in report.notes)
    assert lake.version("mine@1").rows == 5


def test_an_unknown_target_is_refused(csv: Path, refuses: Refuses) -> None:
    csv.write_text(numbered(5, "alpha,beta,gamma"))
    error = refuses(csv, 'no column "betta"', code=2, target="betta")
    assert '"beta"' in error.hint


def test_names(lake: Lake, tmp_path: Path, refuses: Refuses) -> None:
    path = tmp_path / "My Table (2).csv"
    path.write_text(numbered(5))
    assert import_source(lake, path).version.dataset == "my-table-2"
    refuses(path, "cannot be a name", code=2, name="Not/A Name")


def test_no_scratch_file_is_left_in_the_workspace(lake: Lake, csv: Path) -> None:
    csv.write_bytes(numbered(500).encode("utf-16"))
    import_source(lake, csv)
    _, files = state(lake)
    assert len(files) == 1
    assert files[0].endswith(".parquet")


def test_a_file_is_not_read_again_for_what_is_known_already(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    as_guessed = delimited._as_guessed

    def counted(*given: object, careful: bool) -> object:
        looks.append(careful)
        return as_guessed(*given, careful=careful)

    monkeypatch.setattr(delimited, "_as_guessed", counted)
    monkeypatch.setattr(delimited, "FIRST_ROWS", 2)
    source = tmp_path / "a.csv"
    for last, seen in (("4", [False]), ("07", [False, True]), ("oops", [False])):
        source.write_text(f"a,b\n1,x\n2,y\n{last},z\n")
        looks.clear()
        import_source(lake, source)
        assert looks == seen, f"a {last} at the end"


@pytest.mark.parametrize("where", ["first", "last", "at a seam"])
def test_how_quoted_nothing_is_read_is_told(lake: Lake, csv: Path, where: str) -> None:
    lines = [f'{n},"w{n}"' for n in range(2000)]
    if where == "at a seam":
        # The cell lies across two of the pieces that are looked at.
        head = "a,b\n"
        lines = [f"{n},{'w' * 1000}" for n in range(200)]
        cut = CHUNK - len(head) - 3
        done = "".join(f"{row}\n" for row in lines)
        keep = done[:cut].rfind("\n") + 1
        lines = [*done[:keep].splitlines(), f'{"1" * (cut - keep)},""', "5,x"]
    elif where == "first":
        lines[0] = '0,""'
    else:
        lines[-1] = '1999,""'
    csv.write_text("a,b\n" + "\n".join(lines) + "\n")
    report = import_source(lake, csv)
    assert 'cells that hold only "" are missing values, as empty cells are' in report.notes
    assert [row[1] for row in rows(lake, report)].count(None) == 1


def test_quotation_marks_within_a_text_are_not_nothing(lake: Lake, csv: Path) -> None:
    csv.write_text('a,b\n1,"he said """""\n2,""""\n3,\n4,"""x"""\n')
    report = import_source(lake, csv)
    assert [row[1] for row in rows(lake, report)] == ['he said ""', '"', None, '"x"']
    assert report.notes == []


@pytest.mark.parametrize("late", ["inf", "-Infinity", "1e999"])
def test_an_endless_number_is_read_alike_wherever_it_stands(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("x,n\n" + "0.5,1\n" * 50 + f"{late},3\n-1.5,4\n")
    told = []
    for first in (delimited.FIRST_ROWS, 2):
        monkeypatch.setattr(delimited, "FIRST_ROWS", first)
        report = import_source(lake, source)
        assert report.version is not None
        with lake.open(report.version) as view:
            told.append((report.rejected, view.sql("SELECT x, n FROM rows ORDER BY _rid")))
    assert told[0] == told[1]
    assert told[0][0] == 1
