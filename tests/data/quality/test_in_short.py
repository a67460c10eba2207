"""Many findings, told in few: the worst of each kind, and their steps as few as can be."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.lake.layout import among
from core.data.lake.version import QualityNote
from core.data.quality.finding import Finding, Severity
from core.data.quality.in_short import Others, for_history, in_short, kept_in_short
from core.data.quality.mending import joined
from core.data.quality.score import Checked, check_version, note


def finding(kind: str, column: str, severity: Severity = "info") -> Finding:
    return Finding(severity, kind, column, 1, "what", "hint")


def test_of_many_alike_the_first_ten_are_shown_and_the_others_counted() -> None:
    missing = [finding("missing", f"m{n}") for n in range(13)]
    others = [finding("outliers", f"o{n}") for n in range(10)]
    worse = [finding("missing", "label", "warning")]
    shown = in_short([*worse, *missing, *others])
    assert shown == [*worse, *missing[:10], Others(tuple(missing[10:])), *others]
    assert shown[11].what == "missing 3 times more: m10, m11, m12"
    (more,) = in_short([finding("missing", f"m{n}") for n in range(11)])[10:]
    assert more.what == "missing 1 time more: m10"


def test_steps_that_do_the_same_to_other_columns_are_one() -> None:
    steps = [
        {"do": "drop-columns", "columns": ["id"]},
        {"do": "fill", "columns": ["age"], "with": "median"},
        {"do": "clip-outliers", "columns": ["fare"]},
        {"do": "fill", "columns": ["fare"], "with": "median"},
        {"do": "fill", "columns": ["city"], "with": "mode"},
        {"do": "fill", "columns": ["id"], "with": "median"},
        {"do": "drop-columns", "columns": ["key"]},
        {"do": "derive", "column": "key", "sql": "trim(key)"},
        {"do": "drop-duplicates", "columns": ["age", "fare"]},
        {"do": "drop-duplicates", "columns": ["age"]},
        {"do": "drop-duplicates", "columns": ["age", "fare"]},
    ]
    kept = [dict(step) for step in steps]
    found = joined(steps)
    assert found == [
        {"do": "drop-duplicates", "columns": ["age", "fare"]},
        {"do": "drop-duplicates", "columns": ["age"]},
        {"do": "clip-outliers", "columns": ["fare"]},
        {"do": "fill", "columns": ["age", "fare"], "with": "median"},
        {"do": "fill", "columns": ["city"], "with": "mode"},
        {"do": "drop-columns", "columns": ["id", "key"]},
    ]
    assert steps == kept, "the findings keep theirs"
    assert len(Recipe.of(found).steps) == len(found)


def test_all_steps_together_leave_nothing_that_they_mend(lake: Lake) -> None:
    ages = ["thirty", "NA", "-", None, *(str(20 + n % 12) for n in range(56))]
    columns = {"age": [*ages, ages[9]], "size": [*(n / 7 for n in range(60)), 9 / 7]}
    version = lake.commit("people", pa.table(columns), op="test")
    steps = [each.mend for each in check_version(lake, version).findings if each.mend]
    mended = clean(lake, version, Recipe.of(joined(steps)))
    left = {each.kind for each in check_version(lake, mended).findings if each.column == "age"}
    assert not left & {"missing", "mixed-types", "placeholder"}
    assert mended.column("age").type != "VARCHAR"


def test_a_history_keeps_a_bounded_part_and_the_right_counts(lake: Lake) -> None:
    version = lake.commit("wide", pa.table({"a": [1, 2]}), op="test")
    worse = [finding("rule", f"r{n}", "error") for n in range(25)]
    many = [replace(finding("missing", f"m{n}"), severity="warning") for n in range(5000)]
    ids = [*range(1000)]
    rows = Finding(
        "warning", "far", None, 1000, "what", "hint", mend={"ids": ids}, condition=among(ids)
    )
    checked = Checked(version, (*worse, rows, *many))
    note(lake, checked)
    (kept,) = lake.quality.history("wide")
    assert len(json.dumps(kept.to_json())) < 10_000
    assert kept.score == checked.score
    assert (kept.to_json()["errors"], kept.to_json()["warnings"]) == (25, 5001)
    assert kept.count(kind="rule") == 25
    assert Finding.from_json(kept.findings[0]) == worse[0]
    # One that is another behind the tenth is seen by who checks next.
    was = kept_in_short(kept.findings)
    assert kept_in_short(for_history(checked.findings)) == was
    other = replace(many[-1], column="another")
    now = kept_in_short(for_history((*worse, rows, *many[:-1], other)))
    assert len({*now} ^ {*was}) == 2


def test_what_the_first_histories_kept_of_each_finding_is_read_as_today() -> None:
    many = [finding("missing", f"m{n}") for n in range(40)]
    whole = [each.to_json() for each in many]
    assert kept_in_short(whole) == kept_in_short(for_history(many))
    assert QualityNote("a@1", "", "check", 9.0, tuple(whole)).count(severity="info") == 40
