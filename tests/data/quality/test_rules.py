"""Rules: what holds, what fails in which rows, and files that are refused in words."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.quality.duration import seconds_of
from core.data.quality.finding import Finding
from core.data.quality.keeping import broken_rules, check_rules
from core.data.quality.rule_file import load_rules, rules_of, rules_path, template, write_template
from core.data.quality.rules import KINDS
from core.data.quality.score import check_version, note, score
from core.data.sql.selection import Selection
from core.errors import UsageError

TODAY = dt.datetime.now(dt.UTC).replace(tzinfo=None)


@pytest.fixture
def sales(lake: Lake) -> Lake:
    rows = 40
    table = pa.table(
        {
            "id": [None if i == 7 else i for i in range(rows)],
            "age": [*(20 + i for i in range(rows - 2)), -3, None],
            "weight": [*(i / 2 for i in range(rows - 1)), float("nan")],
            "zip": ["3000", "30O1", None, "3012"] * 10,
            "size": ["S", "M", "L", "XXL"] * 10,
            "a b": [f"x{i // 2}" for i in range(rows)],
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(rows)],
            "at": [TODAY - dt.timedelta(hours=i + 1) for i in range(rows)],
            "ok": [True, False] * 20,
        }
    )
    lake.commit("sales", table, op="import")
    return lake


def failed(lake: Lake, text: str, tmp_path: Path) -> list[Finding]:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with lake.open("sales") as view:
        return check_rules(lake, view, load_rules(path))


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ('check = "not-null"\ncolumns = "id"', [7]),
        ('check = "not-null"\ncolumns = ["id", "age", "weight"]', [7, 39]),
        ('check = "not-null"\ncolumns = "size"', []),
        ('check = "range"\ncolumn = "age"\nmin = 0', [38]),
        ('check = "range"\ncolumn = "age"\nmin = 21\nmax = 56', [0, 37, 38]),
        ('check = "range"\ncolumn = "weight"\nmax = 18.5', [38]),
        ('check = "range"\ncolumn = "day"\nmin = 2024-01-03\nmax = 2030-01-01', [0, 1]),
        ('check = "range"\ncolumn = "at"\nmin = 2020-01-01T10:00:00', []),
        ("check = \"regex\"\ncolumn = \"zip\"\npattern = '[0-9]{4}'", list(range(1, 40, 4))),
        ('check = "unique"\ncolumns = "id"', []),
        ('check = "unique"\ncolumns = ["a b"]', list(range(40))),
        ('check = "unique"\ncolumns = ["a b", "ok"]', []),
        ('check = "allowed"\ncolumn = "size"\nvalues = ["S", "M", "L"]', list(range(3, 40, 4))),
        ('check = "allowed"\ncolumn = "ok"\nvalues = [true]', list(range(1, 40, 2))),
        ('check = "allowed"\ncolumn = "age"\nvalues = [-3, 20.0]', list(range(1, 38))),
        ('check = "allowed"\ncolumn = "day"\nvalues = [2024-01-01]', list(range(1, 40))),
        ("check = \"sql\"\nwhere = \"\"\"age > 0 OR size = 'S' -- so\"\"\"", [38]),
        ('check = "sql"\nwhere = "\\"a b\\" LIKE \'x%\'"', []),
    ],
)  # fmt: skip
def test_a_rule_fails_in_these_rows_alone(
    sales: Lake, tmp_path: Path, rule: str, rows: list[int]
) -> None:
    found = failed(sales, f"[[rule]]\n{rule}\n", tmp_path)
    assert [finding.rows for finding in found] == ([len(rows)] if rows else [])
    for finding in found:
        assert (finding.severity, finding.kind) == ("error", "rule")
        assert list(finding.examples) == rows[:20]
        with Selection(sales, "sales", finding.condition) as chosen:
            assert [row for (row,) in chosen.page(0, 100, [])][: chosen.find()] == rows
        assert finding.mend is not None
        clean(sales, "sales", Recipe.of([finding.mend]))
        assert failed(sales, f"[[rule]]\n{rule}\n", tmp_path) == []


def test_rules_that_are_about_no_row(sales: Lake, tmp_path: Path) -> None:
    text = """
        [[rule]]
        check = "rows"
        min = 41
        [[rule]]
        check = "rows"
        max = 40
        [[rule]]
        check = "fresh"
        column = "day"
        at-most = "1w"
        why = "Somebody stopped the export."
        [[rule]]
        check = "fresh"
        column = "at"
        at-most = "2h"
        [[rule]]
        check = "fresh"
        at-most = "1h"
    """
    few, old = failed(sales, text, tmp_path)
    assert "at least 41 rows: there are 40" in few.what
    assert (old.column, old.hint) == ("day", "Somebody stopped the export.")
    assert "the newest is of 2024-02-10" in old.what


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("[[rule]\n", "not TOML", ""),
        ("x = 1", 'no "x"', "[[rule]]"),
        ("rule = 3", "no list of tables", "[[rule]]"),
        ("[[rule]]\ncolumn = 'age'", '"check" is missing', "not-null"),
        ("[[rule]]\ncheck = 'rang'", 'there is no check "rang"', '"range"'),
        ("[[rule]]\ncheck = 'rows'\nmin = 1\n[[rule]]\ncheck = 'range'\ncolum = 'a'",
         'rule 2 ("range"): no setting "colum"', '"column"'),
        ("[[rule]]\ncheck = 'range'\nmin = 1", '"column" is missing', ""),
        ("[[rule]]\ncheck = 'range'\ncolumn = 'age'", '"min" or "max"', ""),
        ("[[rule]]\ncheck = 'range'\ncolumn = 'age'\nmin = true", '"min" has to be', "True"),
        ("[[rule]]\ncheck = 'range'\ncolumn = 'age'\nmin = '3'", '"min" has to be', "3"),
        ("[[rule]]\ncheck = 'rows'\nmin = 1.5", '"min" has to be a whole number', ""),
        ("[[rule]]\ncheck = 'regex'\ncolumn = 'zip'\npattern = '['", "no regular expression", ""),
        ("[[rule]]\ncheck = 'fresh'\nat-most = '1 month'", "no length of time", "1d"),
        ("[[rule]]\ncheck = 'allowed'\ncolumn = 'size'\nvalues = []", '"values" is empty', ""),
        ("[[rule]]\ncheck = 'unique'\ncolumns = [1]", '"columns" has to be text', ""),
        ("[[rule]]\ncheck = 'sql'\nwhere = 'age >'", "no SQL expression", ""),
        ("[[rule]]\ncheck = 'sql'\nwhere = 'age > (SELECT 1)'", "a query inside", ""),
        ("[[rule]]\ncheck = 'sql'\nwhere = 'random() > 0'", "has an effect", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, text: str, words: str, hint: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_rules(path)
    assert words in caught.value.what
    assert caught.value.where == str(path)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("check = 'range'\ncolumn = 'agee'\nmin = 1", 'no column "agee"'),
        ("check = 'range'\ncolumn = 'size'\nmin = 1", "it has no range"),
        ("check = 'range'\ncolumn = 'day'\nmin = 1", "a date"),
        ("check = 'range'\ncolumn = 'age'\nmin = 2024-01-01", "a number"),
        ("check = 'allowed'\ncolumn = 'age'\nvalues = ['x']", "have to be numbers"),
        ("check = 'allowed'\ncolumn = 'day'\nvalues = ['soon']", "have to be DATE"),
        ("check = 'fresh'\ncolumn = 'size'\nat-most = '1d'", "no date"),
        ("check = 'sql'\nwhere = 'agee > 3'", "agee"),
        ("check = 'sql'\nwhere = 'size > 3'", "cannot compare"),
    ],
)
def test_a_rule_that_does_not_suit_the_columns(
    sales: Lake, tmp_path: Path, rule: str, words: str
) -> None:
    text = f"[[rule]]\n{rule}\n[[rule]]\ncheck = 'not-null'\ncolumns = 'id'"
    unsuited, other = failed(sales, text, tmp_path)
    assert words.lower() in unsuited.what.lower()
    assert unsuited.what.startswith("rule 1 (")
    assert "it does not suit sales@1: " in unsuited.what
    assert unsuited.rows == 40, "nobody knows for which rows it holds"
    assert other.examples == (7,), "the others are held all the same"


def test_sql_of_a_rule_reads_nothing_but_the_version(sales: Lake, tmp_path: Path) -> None:
    rule = '[[rule]]\ncheck = "sql"\nwhere = "{}"'
    with pytest.raises(UsageError, match="calls read_text"):
        failed(sales, rule.format("read_text('/etc/passwd') IS NOT NULL"), tmp_path)
    (refused,) = failed(sales, rule.format("getenv('HOME') = ''"), tmp_path)
    assert "it does not suit sales@1" in refused.what


def test_the_template_becomes_rules_when_the_comments_are_taken_off(
    sales: Lake, tmp_path: Path
) -> None:
    path = write_template(sales.workspace, sales.version("sales"))
    assert path == rules_path(sales.workspace, "sales")
    assert rules_of(sales.workspace, "sales") == []
    text = re.sub(r"(?m)^# (?=\[\[rule|[a-z-]+ = )", "", path.read_text())
    path.write_text(text)
    assert [rule.check for rule in rules_of(sales.workspace, "sales")] == list(KINDS)
    with pytest.raises(UsageError, match="there are rules already"):
        write_template(sales.workspace, sales.version("sales"))
    odd = sales.commit("odd", pa.table({"a\nb": [1]}), op="import")
    assert all(line.startswith("#") or not line for line in template(odd).splitlines())


def test_rules_of_a_data_set_are_part_of_its_check(sales: Lake) -> None:
    path = write_template(sales.workspace, sales.version("sales"))
    assert check_version(sales, "sales").failed == ()
    path.write_text('[[rule]]\ncheck = "not-null"\ncolumns = "id"\n')
    checked = check_version(sales, "sales")
    assert [finding.examples for finding in checked.failed] == [(7,)]
    assert checked.findings[0] == checked.failed[0], "the worst comes first"
    path.write_text("[[rule]]\n")
    (unread,) = broken_rules(sales, sales.version("sales"))
    assert str(path) in unread.what


def test_lengths_of_time() -> None:
    assert [seconds_of(text) for text in ("90s", "1.5h", " 2w ")] == [90, 5400, 1_209_600]
    for text in ("", "0s", "1y", "-1h", "1h30m", "inf"):
        with pytest.raises(UsageError):
            seconds_of(text)


def test_the_score_falls_with_the_share_and_the_weight() -> None:
    def finding(severity: str, rows: int) -> Finding:
        return Finding(severity, "x", None, rows, "", "")

    assert score([], 100, 10) == 100
    assert score([finding("error", 100)], 100, 10) == 60
    assert score([finding("warning", 100)], 100, 10) == 85
    assert score([finding("warning", 0)], 100, 10) == 95
    assert score([finding("info", 10)], 100, 10) > score([finding("info", 50)], 100, 10)
    assert score([finding("error", 100)] * 50, 100, 10) >= 0
    assert score([Finding("info", "unsplit", None, 100, "", "")], 100, 10) == 100
    # A hundred columns with twenty faults are as good as ten with two; one of them still counts.
    faults = [finding("warning", 50)] * 20
    assert score(faults, 100, 100) == score(faults[:2], 100, 10)
    assert score(faults[:1], 100, 100) == score(faults[:1], 100, 10) < 100


def test_the_history_of_a_data_set(sales: Lake) -> None:
    first = check_version(sales, "sales")
    note(sales, first)
    version = clean(sales, "sales", Recipe.from_words(["drop-rows columns=age"]))
    note(sales, check_version(sales, version), "import")
    newest, oldest = sales.quality.history("sales")
    assert (newest.ref, newest.kind, oldest.ref) == ("sales@2", "import", "sales@1")
    assert oldest.score == first.score
    assert [Finding.from_json(each) for each in oldest.findings] == list(first.findings)
    assert oldest.time <= newest.time
    assert len(sales.quality.history("sales", 1)) == 1
    sales.remove("sales@1")
    assert [each.ref for each in sales.quality.history("sales")] == ["sales@2"]
    assert sales.quality.history("sale") == []
