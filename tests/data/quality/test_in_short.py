"""Many findings, told in few: the worst of each kind, and their steps as few as can be."""

from __future__ import annotations

from core.data.cleaning.recipe import Recipe
from core.data.quality.finding import Finding, Severity
from core.data.quality.in_short import Others, in_short
from core.data.quality.mending import joined


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
        {"do": "fill", "columns": ["age", "fare"], "with": "median"},
        {"do": "fill", "columns": ["city"], "with": "mode"},
        {"do": "clip-outliers", "columns": ["fare"]},
        {"do": "drop-duplicates", "columns": ["age", "fare"]},
        {"do": "drop-duplicates", "columns": ["age"]},
        {"do": "drop-columns", "columns": ["id", "key"]},
    ]
    assert steps == kept, "the findings keep theirs"
    assert len(Recipe.of(found).steps) == len(found)
