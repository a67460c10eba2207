"""A selection holds the rows that DuckDB and NumPy say fulfil it, in their order, by place."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.rows_file import copy_rows
from core.data.lake.version import Version
from core.data.sql import selection as module
from core.data.sql.selection import Selection
from core.errors import Cancelled, LeptonError, UsageError

ROWS = 3000


@pytest.fixture
def things(lake: Lake) -> Version:
    """An import, an overlay over it, and appended rows without what was laid over."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "n": rng.integers(0, 50, ROWS),
            "x": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "we ird": [f"word {i % 7}" for i in range(ROWS)],
        }
    )
    one = lake.commit("things", table, op="import")
    over = pa.table({"_rid": np.arange(0, ROWS, 2), "even": np.arange(0, ROWS, 2) * 10})
    return lake.commit_columns(one, over, op="label")


def all_rows(lake: Lake, version: Version) -> list[tuple[object, ...]]:
    with lake.open(version) as view:
        return view.sql("SELECT _rid, * EXCLUDE (_rid) FROM rows ORDER BY _rid")


def test_a_condition_and_an_order(lake: Lake, things: Version) -> None:
    rows = all_rows(lake, things)
    kept = [r for r in rows if r[1] > 20 and r[2] is not None]
    expected = sorted(kept, key=lambda r: (-r[1], r[2], r[0]))
    with Selection(lake, things, "n > 20 AND x IS NOT NULL", [("n", True), ("x", False)]) as s:
        assert s.find() == len(expected)
        for offset in (0, 1, 700, len(expected) - 3):
            assert s.page(offset, 50) == expected[offset : offset + 50]
        assert s.page(len(expected), 50) == []
        assert s.page(0, 2, ["even"]) == [(r[0], r[4]) for r in expected[:2]]
        assert s.place(expected[123][0]) == 123
        assert s.place(next(r[0] for r in rows if r[1] <= 20)) is None


def test_missing_values_come_last_and_equal_rows_keep_their_order(
    lake: Lake, things: Version
) -> None:
    rows = all_rows(lake, things)
    for down in (False, True):
        with Selection(lake, things, sort=[("x", down)]) as s:
            assert s.find() == ROWS
            missing = [r[0] for r in rows if r[2] is None]
            assert [r[0] for r in s.page(ROWS - len(missing), ROWS)] == missing
    with Selection(lake, things, sort=[("we ird", True)]) as s:
        last = [r[0] for r in s.page(0, 5)]
        assert last == [6, 13, 20, 27, 34]


def test_all_rows_need_no_search(lake: Lake, things: Version) -> None:
    with Selection(lake, things, "  ") as s:
        assert s.is_whole
        assert s.find() == ROWS
        assert s.page(1000, 3) == all_rows(lake, things)[1000:1003]
        assert (s.place(77), s.place(ROWS)) == (77, None)


def test_ids_that_are_known_keep_their_order(lake: Lake, things: Version) -> None:
    ids = [2999, 5, 1000, 6]
    with Selection(lake, things, ids=ids) as s:
        assert s.find() == 4
        assert [r[0] for r in s.page(0, 10)] == ids
        assert s.place(1000) == 2
    with Selection(lake, things, "_rid < 1500", [("_rid", False)], ids=ids) as s:
        assert [r[0] for r in s.page(0, s.find())] == [5, 6, 1000]


def test_rows_of_several_files(lake: Lake, things: Version) -> None:
    import duckdb

    more = lake.workspace.tmp / "more.parquet"
    with duckdb.connect() as con:
        copy_rows(con, "SELECT 7 AS n, 99.5 AS x, 'new' AS \"we ird\"", more, 1000)
    made = lake.append(things, more, op="append")
    with Selection(lake, made, "x > 99 OR n = 3", [("x", True)]) as s:
        assert s.page(0, 1) == [(ROWS, 7, 99.5, "new", None)]
        assert s.find() == sum(r[1] == 3 for r in all_rows(lake, things)) + 1


def test_many_ids_lie_in_a_file(
    lake: Lake, things: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IN_MEMORY", 1000)
    with Selection(lake, things, sort=[("_rid", True)]) as s:
        assert s.find() == ROWS
        assert isinstance(s._ids, np.memmap)
        assert [r[0] for r in s.page(2990, 20)] == list(range(9, -1, -1))
    assert list(lake.workspace.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("n >", "no condition"),
        ("n > 1; DROP VIEW rows", "no condition"),
        ("1 = 1) UNION SELECT 5 WHERE (1 = 1", "no condition"),
        ("n > 1 ORDER BY 1", "no condition"),
        ("m > 1", 'no column "m"'),
        ("n > 'many'", "many"),
        ("*", ""),
        ("n, x", ""),
        ("EXISTS (SELECT * FROM read_text('/etc/passwd'))", "nothing else"),
        ("(SELECT count(*) FROM glob('/etc/*')) > 0", "nothing else"),
        ("n > (SELECT max(n) FROM things)", "things"),
    ],
)
def test_a_wrong_condition_is_told(
    lake: Lake, things: Version, condition: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught, Selection(lake, things, condition) as s:
        s.find()
    assert told in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_the_id_of_the_rows_is_not_what_a_word_means(lake: Lake) -> None:
    kinds = lake.commit("kinds", pa.table({"label": ["birds"], "path": ["a"]}), op="import")
    with pytest.raises(UsageError) as caught, Selection(lake, kinds, "label = birds") as found:
        found.find()
    assert caught.value.hint == "A text stands in single quotes: 'birds'"
    with pytest.raises(UsageError) as caught, Selection(lake, kinds, "lable = 'birds'") as found:
        found.find()
    assert 'Did you mean "label"' in caught.value.hint


def test_what_a_condition_may_hold(lake: Lake, things: Version) -> None:
    rows = all_rows(lake, things)
    mean = np.mean([r[1] for r in rows])
    for condition, expected in (
        ("n > (SELECT avg(n) FROM rows) -- more than most", sum(r[1] > mean for r in rows)),
        ("\"we ird\" LIKE '%3' OR _rid = 0", sum(r[3][-1] == "3" for r in rows) + 1),
        ("even IS NULL", ROWS // 2),
        ("regexp_matches(\"we ird\", '[12]$')", sum(r[3][-1] in "12" for r in rows)),
    ):
        with Selection(lake, things, condition) as s:
            assert s.find() == expected


def test_an_unknown_column_to_sort_by(lake: Lake, things: Version) -> None:
    with pytest.raises(UsageError, match='no column "m"'):
        Selection(lake, things, sort=[("m", False)])


def test_another_thread_cancels(lake: Lake, things: Version) -> None:
    slow = "(SELECT count(*) FROM range(1000000000000) a, range(1000) b) > n"
    told: list[LeptonError] = []
    with Selection(lake, things, slow) as s:

        def work() -> None:
            try:
                s.find()
            except LeptonError as error:
                told.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        while worker.is_alive():
            s.interrupt()
            worker.join(0.05)
    assert isinstance(told[0], Cancelled)
