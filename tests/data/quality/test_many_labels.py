"""Targets of several labels a row: labels are counted, and compared whatever their order."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.quality.check import Finding, check
from core.tasks import facts, guess

ROWS = 120
LABELS = [
    ["news", *(["sport"] if n % 2 else []), *(["war, peace"] if n in (3, 50) else [])]
    for n in range(ROWS - 1)
] + [["sport"]]

WAYS = {
    "semicolons": lambda labels: "; ".join(labels),
    "bars": lambda labels: "|".join(reversed(labels)),
    "lists": list,
    "json": json.dumps,
}


def found_in(
    lake: Lake, column: list[object], numbers: list[int] | None = None
) -> tuple[dict[str, Finding], dict[str, list[int]]]:
    table = pa.table({"x": numbers or [*range(len(column))], "tags": column})
    version = lake.commit("tagged", table, op="test", task="tabular-classification", target="tags")
    with lake.open(version) as view:
        found = {each.kind: each for each in check(view)}
        rows = {
            kind: [
                row
                for (row,) in view.sql(
                    f"SELECT _rid FROM rows WHERE {each.condition} ORDER BY _rid"
                )
            ]
            for kind, each in found.items()
            if each.condition
        }
    return found, rows


@pytest.mark.parametrize("way", WAYS)
def test_each_label_is_counted_by_itself(lake: Lake, way: str) -> None:
    column = [WAYS[way](labels) for labels in LABELS]
    found, rows = found_in(lake, column)
    assert found["few-rows"].what == '1 label has fewer than 10 rows: "war, peace" (2)'
    assert (found["few-rows"].rows, rows["few-rows"]) == (2, [3, 50])
    assert found["imbalance"].what == '"news" is in 119 rows, "war, peace" in 2'
    assert (found["imbalance"].rows, rows["imbalance"]) == (119, [*range(119)])
    # So the task reads them too.
    with lake.open("tagged") as view:
        assert guess(facts(view)).separator


@pytest.mark.parametrize("way", WAYS)
def test_the_same_labels_in_another_order_are_no_conflict(lake: Lake, way: str) -> None:
    column = [WAYS[way](labels) for labels in LABELS]
    column += [WAYS[way](["sport", "news"]), WAYS[way](["news", "sport"]), WAYS[way](["news"])]
    numbers = [*range(ROWS), 7, 9, 11]
    found, rows = found_in(lake, column, numbers)
    assert (found["label-conflict"].rows, rows["label-conflict"]) == (2, [11, ROWS + 2])


def test_spaces_and_empty_places_make_no_other_label(lake: Lake) -> None:
    column: list[object] = ["a;b", "b ; a;", " a", "b;;a"] * 12
    found, _ = found_in(lake, column, [1, 1, 2, 1] * 12)
    assert "label-conflict" not in found
    assert "few-rows" not in found
    assert "imbalance" not in found


def test_rows_that_all_have_the_same_labels_teach_nothing(lake: Lake) -> None:
    found, _ = found_in(lake, ["a;b", "b;a"] * 12)
    assert found["one-class"].what == "all rows have the same labels: a, b"


def test_a_text_with_marks_that_is_no_list_is_one_label(lake: Lake) -> None:
    found, _ = found_in(lake, [f"see {n}; then {n + 1}" for n in range(40)])
    assert (
        not {"few-rows", "imbalance", "one-class"} & {*found}
        or "label" not in found["few-rows"].what
    )
