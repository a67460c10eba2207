"""Splits by group with classes, by time, by hash and into folds: what each of them promises."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.steps import in_words, not_placed
from core.data.lake.version import Version
from core.data.splitting.split import ensure_split, split
from core.errors import LeptonError, UsageError

PARTS = ("train", "validation", "test")


def rows_of(lake: Lake, version: Version, columns: str) -> list[tuple[Any, ...]]:
    with lake.open(version) as view:
        return view.sql(f"SELECT {columns} FROM rows ORDER BY _rid")


def commit(lake: Lake, **columns: list[Any]) -> Version:
    return lake.commit("things", pa.table(columns), op="import")


def patients(lake: Lake, count: int = 300) -> Version:
    """Visits of patients, of whom each has a disposition: some classes are rare."""
    chance = Random(3)
    patient, label = [], []
    for number in range(count):
        rare = number % 10 == 0
        for _ in range(chance.randint(1, 12)):
            patient.append(f"p{number}")
            label.append("rare" if rare and chance.random() < 0.8 else chance.choice("ab"))
    return commit(lake, patient=patient, label=label)


def test_groups_with_classes_keep_both_promises(lake: Lake) -> None:
    base = patients(lake)
    made = split(lake, base, group="patient", by="label", validation=0.15, test=0.15)
    found = rows_of(lake, made, "patient, label, split")
    parts_of = defaultdict(set)
    for patient, _, part in found:
        parts_of[patient].add(part)
    assert all(len(parts) == 1 for parts in parts_of.values())
    labels = Counter(label for _, label, _ in found)
    both = Counter((label, part) for _, label, part in found)
    for label, total in labels.items():
        for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
            assert both[label, part] / total == pytest.approx(share, abs=0.03), (label, part)
    assert (made.params["way"], made.params["by"], made.params["group"]) == (
        "group",
        "label",
        "patient",
    )


def test_as_many_groups_as_parts_are_enough(lake: Lake) -> None:
    made = split(lake, commit(lake, who=["a"] * 8 + ["b"] * 8 + ["c"] * 8), group="who")
    assert sorted(Counter(rows_of(lake, made, "who, split")).values()) == [8, 8, 8]
    assert len({part for _, part in rows_of(lake, made, "who, split")}) == 3


def test_long_texts_that_begin_alike_are_different_groups(lake: Lake) -> None:
    texts = [("same beginning " * 20) + str(n % 30) for n in range(300)]
    made = split(lake, commit(lake, text=texts), group="text", validation=0.2, test=0.2)
    parts_of = defaultdict(set)
    for text, part in rows_of(lake, made, "text, split"):
        parts_of[text].add(part)
    assert len(parts_of) == 30
    assert all(len(parts) == 1 for parts in parts_of.values())
    assert Counter(p for parts in parts_of.values() for p in parts) == {
        "train": 18,
        "validation": 6,
        "test": 6,
    }


@pytest.mark.parametrize("kind", ["timestamp", "text", "number"])
def test_the_future_does_not_train(lake: Lake, kind: str) -> None:
    begin = datetime(2024, 1, 1)
    times = [begin + timedelta(days=n // 4) for n in range(400)]
    Random(1).shuffle(times)
    given: dict[str, list[Any]] = {
        "timestamp": times,
        "text": [time.isoformat(" ") for time in times],
        "number": [time.timestamp() for time in times],
    }
    made = split(lake, commit(lake, seen=given[kind]), time="seen", validation=0.1, test=0.2)
    by_part = defaultdict(list)
    for seen, part in rows_of(lake, made, "seen, split"):
        by_part[part].append(seen)
    assert {part: len(rows) for part, rows in by_part.items()} == {
        "train": 280,
        "validation": 40,
        "test": 80,
    }
    assert max(by_part["train"]) < min(by_part["validation"])
    assert max(by_part["validation"]) < min(by_part["test"])


def test_equal_times_are_not_parted_and_no_time_trains(lake: Lake) -> None:
    year = [2020] * 30 + [2021] * 30 + [2022] * 33 + [None] * 7
    made = split(lake, commit(lake, year=year), time="year", validation=0.3, test=0.3)
    assert Counter(rows_of(lake, made, "year, split")) == {
        (2020, "train"): 30,
        (None, "train"): 7,
        (2021, "validation"): 30,
        (2022, "test"): 33,
    }
    assert made.params["no_place"] == 7
    assert in_words(made).endswith("in time by year (7 rows have none)")
    told = '7 rows have no time in "year": they are training rows'
    assert not_placed(made.params) == told
    few = commit(lake, year=[2020, 2020, 2021, 2021], gone=[None] * 3 + [1.5])
    with pytest.raises(LeptonError, match='"year" has too few different times to make 3 parts'):
        split(lake, few, time="year")
    assert Counter(rows_of(lake, split(lake, few, time="year", test=0), "year, split")) == {
        (2020, "train"): 2,
        (2021, "validation"): 2,
    }


def test_rows_without_a_time_are_counted_where_test_rows_are_kept(lake: Lake) -> None:
    kept = commit(lake, day=[1, 2, None, None, 5], split=["train"] * 4 + ["test"])
    made = ensure_split(lake, kept, time="day")
    assert rows_of(lake, made, "split") == [
        ("train",),
        ("validation",),
        ("train",),
        ("train",),
        ("test",),
    ]
    assert made.params["no_place"] == 2
    full = ensure_split(lake, commit(lake, day=list(range(20))), time="day")
    assert not_placed(full.params) is None
    assert "none" not in in_words(full)


def test_a_column_without_order_in_time_is_refused(lake: Lake) -> None:
    base = commit(lake, when=["2024-01-01", "2024-01-02", "soon"], ok=[True, False, True])
    with pytest.raises(UsageError, match='no time, such as "soon"'):
        split(lake, base, time="when")
    with pytest.raises(UsageError, match="BOOLEAN, which has no order in time"):
        split(lake, base, time="ok")


def test_hashed_rows_stay_where_they_are_as_rows_are_added(lake: Lake) -> None:
    names: list[str | None] = [f"file {n}.png" for n in range(2000)]
    first = dict(rows_of(lake, split(lake, commit(lake, name=names), hash="name"), "name, split"))
    more: list[str | None] = [*[f"new {n}" for n in range(2000)], *reversed(names), None]
    made = split(lake, commit(lake, name=more), hash="name")
    second = dict(rows_of(lake, made, "name, split"))
    assert {name: second[name] for name in first} == first
    assert second[None] == "train"
    told = not_placed(made.params)
    assert told == '1 row has no value in "name": it is a training row'
    counts = Counter(first.values())
    assert 1500 < counts["train"] < 1700
    assert 150 < counts["test"] < 250
    other = split(lake, "things@1", hash="name", seed=1)
    assert dict(rows_of(lake, other, "name, split")) != first
    wider = dict(rows_of(lake, split(lake, "things@1", hash="name", validation=0.3), "name, split"))
    assert {n for n, p in wider.items() if p == "test"} == {
        n for n, p in first.items() if p == "test"
    }


def test_the_hash_is_one_that_anybody_can_compute(lake: Lake) -> None:
    """If a release of DuckDB changed it, rows would move from test to training."""
    made = split(lake, commit(lake, x=list(range(500))), hash="_rid", seed=5, test=0.25)

    def part(rid: int) -> str:
        digest = hashlib.md5(f"5:{rid}".encode()).digest()
        place = int.from_bytes(digest[8:], "little") / 2**64
        return "test" if place < 0.25 else "validation" if place < 0.35 else "train"

    assert [row for (row,) in rows_of(lake, made, "split")] == [part(rid) for rid in range(500)]


def test_folds_are_equal_and_keep_the_shares(lake: Lake) -> None:
    base = lake.commit(
        "things",
        pa.table({"label": ["a"] * 60 + ["b"] * 35 + ["c"] * 8}),
        op="import",
        target="label",
    )
    made = split(lake, base, folds=5)
    counts = Counter(rows_of(lake, made, "fold, label"))
    assert "split" not in made.column_names
    assert [counts[fold, "a"] for fold in range(5)] == [12] * 5
    assert [counts[fold, "b"] for fold in range(5)] == [7] * 5
    assert {counts[fold, "c"] for fold in range(5)} == {1, 2}
    assert set(made.params["rows"].values()) <= {20, 21}
    assert rows_of(lake, split(lake, base, folds=5), "fold") == rows_of(lake, made, "fold")


def test_every_row_is_tested_in_one_of_the_folds(lake: Lake) -> None:
    folded = split(lake, commit(lake, x=list(range(50))), folds=4)
    tested: Counter[int] = Counter()
    for fold in range(4):
        made = split(lake, folded, fold=fold)
        found = rows_of(lake, made, "_rid, fold, split")
        for rid, number, part in found:
            assert part == {fold: "test", (fold + 1) % 4: "validation"}.get(number, "train")
            tested[rid] += part == "test"
        assert ensure_split(lake, made).ref == made.ref, "training takes it as it is"
    assert tested == dict.fromkeys(range(50), 1)
    at_once = split(lake, "things@1", folds=4, fold=3)
    assert rows_of(lake, at_once, "fold, split") == found_again(lake, "things", 3)


def found_again(lake: Lake, name: str, fold: int) -> list[tuple[Any, ...]]:
    version = next(v for v in lake.versions(name) if v.params.get("fold") == fold)
    return rows_of(lake, version, "fold, split")


def test_folds_of_groups_part_none(lake: Lake) -> None:
    made = split(lake, patients(lake), folds=5, group="patient", by="label")
    folds_of = defaultdict(set)
    for patient, fold in rows_of(lake, made, "patient, fold"):
        folds_of[patient].add(fold)
    assert all(len(folds) == 1 for folds in folds_of.values())
    rare = Counter(rows_of(lake, made, "fold, label"))
    assert max(rare[f, "rare"] for f in range(5)) - min(rare[f, "rare"] for f in range(5)) <= 8
    sizes = list(made.params["rows"].values())
    assert max(sizes) - min(sizes) <= 12


def test_a_split_laid_over_a_split_is_the_one_that_counts(lake: Lake) -> None:
    base = commit(lake, x=list(range(100)), label=["a", "b"] * 50)
    twice = split(lake, split(lake, base, by="label"), hash="_rid")
    assert Counter(rows_of(lake, twice, "split")) == {
        (part,): count for part, count in twice.params["rows"].items()
    }
    with lake.open(twice) as view:
        assert sum(len(batch) for batch in view.batches(["x"], split="test")) == view.count("test")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"time": "x", "hash": "x"}, "time and hash do not go together"),
        ({"time": "x", "group": "x"}, "time and group do not go together"),
        ({"hash": "x", "by": "x"}, "hash and by do not go together"),
        ({"folds": 5, "hash": "_rid"}, "folds and hash do not go together"),
        ({"folds": 1}, "1 folds cannot be"),
        ({"folds": 3, "fold": 3}, "there is no fold 3"),
        ({"fold": -1}, "there is no fold -1"),
        ({"fold": 1}, 'there is no column "fold"'),
        ({"hash": "y"}, 'no column "y"'),
        ({"group": "_rid"}, 'no column "_rid"'),
    ],
)
def test_ways_that_cannot_be(lake: Lake, how: dict[str, Any], words: str) -> None:
    base = commit(lake, x=[1, 2, 3, 4])
    with pytest.raises(UsageError, match=words):
        split(lake, base, **how)
    assert lake.version("things").n == 1


def test_too_few_rows_or_groups_for_the_folds(lake: Lake) -> None:
    base = commit(lake, x=[1, 1, 1, 2])
    with pytest.raises(LeptonError, match="4 rows are too few to make 5 folds"):
        split(lake, base, folds=5)
    with pytest.raises(LeptonError, match='"x" has too few groups to make 3 folds'):
        split(lake, base, folds=3, group="x")
    own = commit(lake, fold=["one", "two", "one", "two"])
    with pytest.raises(UsageError, match="does not number folds"):
        split(lake, own, fold=0)
