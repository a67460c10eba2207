"""Diff: what was added, removed and changed is found, and what is shared is not read."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from core.data.diff import diff
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.splitting.split import split
from core.errors import UsageError


def commit(lake: Lake, name: str = "things", **columns: list[Any]) -> Version:
    return lake.commit(name, pa.table(columns), op="import")


def derived(lake: Lake, base: Version, query: str, **how: Any) -> Version:
    with lake.open(base) as view:
        table = view.arrow(query)
    return lake.commit(base.dataset, table, op="clean", parents=[base.ref], **how)


def cells(found: Any, kind: str) -> list[tuple[dict, dict]]:
    return [(change.key, change.cells) for change in found.examples if change.kind == kind]


def test_rows_added_removed_and_changed_by_row_id(lake: Lake) -> None:
    base = commit(lake, x=list(range(10)), word=[f"w{n}" for n in range(10)], half=[None] * 10)
    new = derived(
        lake,
        base,
        "SELECT _rid, CASE WHEN _rid IN (3, 4) THEN x * 10 ELSE x END AS x,"
        " CASE WHEN _rid = 4 THEN NULL ELSE word END AS word, half FROM rows WHERE _rid > 1"
        " UNION ALL SELECT 10, 77, 'new', NULL",
    )
    found = diff(lake, base, new)
    assert (found.added, found.removed, found.changed) == (1, 2, 2)
    assert found.matched == ("_rid",)
    assert found.cells == {"x": 2, "word": 1}
    assert cells(found, "changed") == [
        ({"_rid": 3}, {"x": (3, 30)}),
        ({"_rid": 4}, {"x": (4, 40), "word": ("w4", None)}),
    ]
    assert cells(found, "added") == [
        ({"_rid": 10}, {"x": (None, 77), "word": (None, "new"), "half": (None, None)})
    ]
    assert [key["_rid"] for key, _ in cells(found, "removed")] == [0, 1]
    back = diff(lake, new, base)
    assert (back.added, back.removed, back.changed) == (2, 1, 2)
    assert not found.same


def test_columns_added_removed_and_retyped(lake: Lake) -> None:
    base = commit(lake, x=["1", "2", "3"], gone=[1, 2, 3])
    new = derived(
        lake, base, "SELECT _rid, CASE x WHEN '3' THEN 4 ELSE x::INT END AS x, 1 AS more FROM rows"
    )
    found = diff(lake, base, new)
    assert (found.columns_added, found.columns_removed) == (("more",), ("gone",))
    ((name, old, fresh),) = [(r.name, r.old, r.new) for r in found.retyped]
    assert (name, old, fresh) == ("x", "VARCHAR", "INTEGER")
    assert found.cells == {"x": 1}, "1 as text and 1 as a number are not a change of the cell"


@pytest.mark.parametrize(
    ("given", "sql", "changed"),
    [
        ([1, 2, 3], "CASE n WHEN 2 THEN 2.5 ELSE n END::DOUBLE", [1]),
        ([1.0, None, 3.0], "CASE _rid WHEN 2 THEN 4 ELSE n END::INT", [2]),
        (["48", "1e3", "4.50"], "n::DOUBLE + (_rid = 1)::INT", [1]),
        (["48", "thirty", None], "try_cast(n AS DECIMAL(8, 2))", [1]),
        ([48.0, 4.5, None], "CASE _rid WHEN 1 THEN 'x' ELSE n::VARCHAR END", [1]),
        (["true", "false", "x"], "CASE n WHEN 'x' THEN true ELSE n::BOOLEAN END", [2]),
        ([dt.date(2024, 1, 2), None, dt.date(2024, 1, 3)], "n + INTERVAL (_rid) DAY", [2]),
        (["2024-01-02", "2024-01-03", None], "try_cast(n AS DATE) + _rid::INT", [1]),
    ],
)
def test_a_value_of_another_type_is_the_same_value(
    lake: Lake, given: list[Any], sql: str, changed: list[int]
) -> None:
    base = commit(lake, n=given, same=["a", "b", "c"])
    new = derived(lake, base, f"SELECT _rid, {sql} AS n, same FROM rows")
    found = diff(lake, base, new)
    assert len(found.retyped) == 1
    assert [key["_rid"] for key, cell in cells(found, "changed") if "n" in cell] == changed
    assert found.cells == {"n": len(changed)}


def test_columns_that_both_read_from_one_file_are_not_compared(lake: Lake) -> None:
    base = commit(lake, x=list(range(1000)))
    first, second = split(lake, base, seed=0), split(lake, base, seed=1)
    with lake.open(first) as one, lake.open(second) as other:
        before, after = (dict(v.sql("SELECT _rid, split FROM rows")) for v in (one, other))
    differing = sum(before[rid] != after[rid] for rid in before)
    found = diff(lake, first, second)
    assert (found.added, found.removed, found.changed) == (0, 0, differing)
    assert found.cells == {"split": differing}
    assert diff(lake, base, first).columns_added == ("split",)


def test_a_restored_version_is_the_same(lake: Lake) -> None:
    base = commit(lake, x=[1, 2, 3])
    derived(lake, base, "SELECT _rid, x + 1 AS x FROM rows")
    assert diff(lake, base, lake.restore(base)).same
    assert diff(lake, "things@2", "things@3").changed == 3


def test_missing_and_nan_are_told_apart(lake: Lake) -> None:
    nan = float("nan")
    base = commit(lake, x=pa.array([1.0, nan, None, nan], from_pandas=False))
    new = derived(lake, base, "SELECT _rid, CASE WHEN _rid = 3 THEN NULL ELSE x END AS x FROM rows")
    found = diff(lake, base, new)
    assert (found.changed, found.cells) == (1, {"x": 1})
    assert cells(found, "changed")[0][0] == {"_rid": 3}


def test_media_are_compared_by_their_bytes(lake: Lake) -> None:
    table = pa.table({"image": [b"a" * 50, b"b" * 50, b"c" * 50]})
    base = lake.commit("pictures", table, op="import", media={"image": "image"})
    new = derived(
        lake,
        base,
        "SELECT _rid, CASE WHEN _rid = 1 THEN 'other'::BLOB ELSE image END AS image FROM rows",
        media={"image": "image"},
    )
    found = diff(lake, base, new)
    assert found.cells == {"image": 1}
    assert cells(found, "changed") == [({"_rid": 1}, {"image": (b"b" * 50, b"other")})]


def test_an_import_made_anew_is_compared_by_content(lake: Lake) -> None:
    first = commit(lake, x=[1, 1, 1, 2, 3], word=["a", "a", "a", None, "c"])
    again = commit(lake, x=[3, 2, 1, 1, 9], word=["c", None, "a", "a", "z"])
    found = diff(lake, first, again)
    assert found.matched == ("content",)
    assert (found.added, found.removed, found.changed) == (1, 1, 0)
    assert cells(found, "added") == [({"_rid": 4}, {"x": (None, 9), "word": (None, "z")})]
    assert cells(found, "removed") == [({"_rid": 0}, {"x": (1, None), "word": ("a", None)})]
    assert diff(lake, first, commit(lake, "others", x=[2, 3, 1, 1, 1], word=[None, *"caaa"])).same


def test_numbers_of_other_widths_have_the_same_content(lake: Lake) -> None:
    narrow = commit(lake, x=pa.array([1, -2, 3], pa.int8()))
    wide = commit(lake, x=pa.array([-2, 3, 1], pa.int64()))
    found = diff(lake, narrow, wide)
    assert (found.added, found.removed, len(found.retyped)) == (0, 0, 1)


def test_key_columns_tell_rows_of_two_data_sets(lake: Lake) -> None:
    one = commit(lake, id=["a", "b", "c"], day=[1, 1, 1], x=[1, 2, 3])
    other = commit(lake, "others", x=[30, 2, 4], day=[1, 1, 2], id=["c", "b", "a"])
    found = diff(lake, one, other, on=["id", "day"])
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert cells(found, "changed") == [({"id": "c", "day": 1}, {"x": (3, 30)})]
    assert cells(found, "added") == [({"id": "a", "day": 2}, {"x": (None, 4)})]
    with pytest.raises(UsageError, match='"day" does not tell the rows: 1 is there 3 times'):
        diff(lake, one, other, on=["day"])
    with pytest.raises(UsageError, match='no column "ids"'):
        diff(lake, one, other, on=["ids"])
    holes = commit(lake, id=["a", None])
    with pytest.raises(UsageError, match='1 rows have no "id"'):
        diff(lake, holes, other, on=["id"])


def test_nothing_in_common_is_said(lake: Lake) -> None:
    with pytest.raises(UsageError, match="no column in common"):
        diff(lake, commit(lake, x=[1]), commit(lake, "others", y=[1]))


def test_examples_are_as_many_as_asked_for_and_the_first_ones(lake: Lake) -> None:
    base = commit(lake, x=list(range(100)))
    new = derived(lake, base, "SELECT _rid, x + 1 AS x FROM rows ORDER BY _rid DESC")
    assert [key["_rid"] for key, _ in cells(diff(lake, base, new, examples=3), "changed")] == [
        0,
        1,
        2,
    ]
    assert diff(lake, base, new, examples=0).examples == ()


def test_appended_rows_are_added(lake: Lake, tmp_path: Any) -> None:
    import pyarrow.parquet as pq

    base = commit(lake, x=[1, 2])
    more = lake.workspace.tmp / "more.parquet"
    pq.write_table(pa.table({"x": [3]}), more)
    found = diff(lake, base, lake.append(base, more, op="append"))
    assert (found.added, found.removed, found.changed) == (1, 0, 0)
    assert cells(found, "added") == [({"_rid": 2}, {"x": (None, 3)})]


def test_the_json_says_it_all(lake: Lake) -> None:
    base = commit(lake, x=[1, 2])
    new = derived(lake, base, "SELECT _rid, x * 2 AS x FROM rows WHERE _rid = 1")
    assert diff(lake, base, new).to_json() == {
        "old": "things@1",
        "new": "things@2",
        "same": False,
        "matched": ["_rid"],
        "columns": {"added": [], "removed": [], "retyped": []},
        "rows": {"old": 2, "new": 1, "added": 0, "removed": 1, "changed": 1},
        "cells": {"x": 1},
        "examples": [
            {"kind": "changed", "key": {"_rid": 1}, "cells": {"x": {"before": 2, "after": 4}}},
            {"kind": "removed", "key": {"_rid": 0}, "cells": {"x": {"before": 1, "after": None}}},
        ],
    }
