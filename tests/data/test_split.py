"""Splits: the same seed gives the same rows, classes keep their share, groups are not parted."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.splitting.split import ensure_split, planned, split
from core.errors import LeptonError, UsageError


def labelled(lake: Lake, labels: list[str | None], **more: list[object]) -> Version:
    table = pa.table({"x": list(range(len(labels))), "label": labels, **more})
    return lake.commit("things", table, op="import", target="label")


def parts(lake: Lake, version: Version, by: str = "label") -> Counter[tuple[str, str]]:
    with lake.open(version) as view:
        return Counter(view.sql(f"SELECT {by}, split FROM rows"))


def marks(lake: Lake, version: Version) -> list[str]:
    with lake.open(version) as view:
        return [row[0] for row in view.sql("SELECT split FROM rows ORDER BY _rid")]


def test_classes_keep_their_share_and_totals_are_right(lake: Lake) -> None:
    base = labelled(lake, ["a"] * 700 + ["b"] * 250 + ["c"] * 47 + ["d"] * 3)
    made = split(lake, base, validation=0.1, test=0.2)
    counts = parts(lake, made)
    assert counts["a", "test"] == 140
    assert counts["a", "validation"] == 70
    assert counts["b", "test"] == 50
    assert counts["b", "validation"] == 25
    assert counts["d", "train"] >= 1
    assert Counter(marks(lake, made)) == {"train": 700, "validation": 100, "test": 200}
    assert (made.n, made.op, made.parents) == (2, "split", ("things@1",))
    assert made.params["by"] == "label"
    assert made.files[0] == base.files[0], "the rows are not written again"
    assert made.target == "label"


def test_the_seed_decides(lake: Lake) -> None:
    base = labelled(lake, ["a", "b"] * 100)
    first, again, other = (split(lake, base, seed=seed) for seed in (0, 0, 1))
    assert marks(lake, first) == marks(lake, again) != marks(lake, other)


def test_the_split_of_this_seed_stays_what_it_was(lake: Lake) -> None:
    """A stored split must be the one a later release makes, or results cannot be repeated."""
    made = marks(lake, split(lake, labelled(lake, ["a", "b"] * 10), seed=7))
    assert [i for i, part in enumerate(made) if part == "test"] == [3, 8]
    assert [i for i, part in enumerate(made) if part == "validation"] == [12, 13]


def test_a_plan_tells_the_counts_and_keeps_nothing(lake: Lake) -> None:
    base = labelled(lake, ["a", "b"] * 50)
    plan = planned(lake, base, validation=0.2, test=0.1)
    assert plan.counts == {"train": 70, "validation": 20, "test": 10}
    assert planned(lake, base, folds=4).counts == {"0": 25, "1": 25, "2": 25, "3": 25}
    assert [each.n for each in lake.versions("things")] == [1]


def test_rows_at_random_do_not_keep_the_shares_of_the_target(lake: Lake) -> None:
    base = labelled(lake, ["a"] * 180 + ["b"] * 20)
    kept, random = split(lake, base), split(lake, base, random=True)
    assert parts(lake, kept)["b", "test"] == 2
    seeds = {parts(lake, split(lake, base, random=True, seed=s))["b", "test"] for s in range(6)}
    assert len(seeds) > 1
    assert (random.params["way"], random.params["by"]) == ("random", None)
    assert planned(lake, base, folds=5, random=True).params["by"] is None
    for how in ({"by": "label"}, {"group": "x"}, {"time": "x"}, {"hash": "x"}):
        with pytest.raises(UsageError, match="random do not go together"):
            planned(lake, base, random=True, **how)  # type: ignore[arg-type]


def test_rare_classes_keep_a_training_row(lake: Lake) -> None:
    labels = [f"c{i}" for i in range(50)] + ["big"] * 50
    made = split(lake, labelled(lake, labels), validation=0.3, test=0.3)
    counts = parts(lake, made)
    assert all(counts[f"c{i}", "train"] == 1 for i in range(50))
    assert sum(n for (_, part), n in counts.items() if part == "test") >= 14


def test_classes_of_one_row_each_take_no_rows_from_the_other_parts(lake: Lake) -> None:
    base = labelled(lake, [f"only {n}" for n in range(100)])
    made = split(lake, base, by="label", validation=0.1, test=0.2)
    assert Counter(marks(lake, made)) == {"train": 70, "validation": 10, "test": 20}
    assert made.params["by"] is None


def test_every_part_asked_for_has_a_row(lake: Lake) -> None:
    made = split(lake, labelled(lake, ["a", "b", "c", "d"]), validation=0.01, test=0.01)
    assert Counter(marks(lake, made)) == {"train": 2, "validation": 1, "test": 1}
    none = split(lake, "things@1", validation=0, test=0)
    assert set(marks(lake, none)) == {"train"}


def test_missing_labels_are_a_class_of_their_own(lake: Lake) -> None:
    made = split(lake, labelled(lake, ["a"] * 50 + [None] * 50), validation=0.2, test=0.2)
    counts = parts(lake, made)
    assert counts[None, "test"] == counts["a", "test"] == 10


def test_groups_are_not_parted(lake: Lake) -> None:
    people = [f"p{i % 40}" for i in range(1000)]
    base = labelled(lake, ["a"] * 1000, person=people)
    made = split(lake, base, group="person", validation=0.1, test=0.0)
    with lake.open(made) as view:
        (most,) = view.sql(
            "SELECT max(n) FROM (SELECT count(DISTINCT split) AS n FROM rows GROUP BY person)"
        )[0]
        assert most == 1
        assert view.splits() == {"train": 900, "validation": 100}
    one = labelled(lake, ["a"] * 10, person=["p"] * 10)
    with pytest.raises(LeptonError, match="too few groups"):
        split(lake, one, group="person")


def test_a_number_target_is_not_stratified(lake: Lake) -> None:
    table = pa.table({"y": [i / 7 for i in range(100)]})
    made = split(lake, lake.commit("numbers", table, op="import", target="y"))
    assert made.params["by"] is None
    assert Counter(marks(lake, made)) == {"train": 80, "validation": 10, "test": 10}


def test_calls_that_cannot_be(lake: Lake) -> None:
    base = labelled(lake, ["a", "b"])
    for validation, test in ((0.5, 0.5), (-0.1, 0.1), (1, 0), (float("nan"), 0.1)):
        with pytest.raises(UsageError, match="leave no training rows"):
            split(lake, base, validation=validation, test=test)
    with pytest.raises(UsageError, match='no column "lable"'):
        split(lake, base, by="lable")
    with pytest.raises(LeptonError, match="2 rows are too few to make 3 parts"):
        split(lake, base)
    assert lake.version("things").n == 1


def test_a_source_with_a_test_set_keeps_it(lake: Lake) -> None:
    given = ["test"] * 20 + ["train"] * 100
    base = labelled(lake, ["a", "b"] * 60, split=given)
    made = ensure_split(lake, base)
    found = marks(lake, made)
    assert found[:20] == ["test"] * 20
    assert Counter(found) == {"train": 90, "validation": 10, "test": 20}
    assert parts(lake, made)["a", "validation"] == 5
    assert ensure_split(lake, made).ref == made.ref, "what is there is not made again"


def test_a_source_without_a_split_gets_a_whole_one(lake: Lake) -> None:
    made = ensure_split(lake, labelled(lake, ["a", "b"] * 50))
    assert Counter(marks(lake, made)) == {"train": 80, "validation": 10, "test": 10}
    assert marks(lake, made) == marks(lake, split(lake, "things@1"))


def test_a_source_with_test_rows_alone_is_refused(lake: Lake) -> None:
    base = labelled(lake, ["a", "b"], split=["test", "test"])
    with pytest.raises(UsageError, match="no row is marked for training") as caught:
        ensure_split(lake, base)
    assert "lepton data split things" in caught.value.hint
