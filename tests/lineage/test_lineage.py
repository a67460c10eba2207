"""Lineage: ancestors, descendants, and who read each version."""

from __future__ import annotations

import inspect
import sys

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.steps import in_words
from core.data.splitting.split import split
from core.errors import UsageError
from core.lineage.purpose import task_of_line
from core.lineage.removal import in_use, remove
from core.lineage.tree import lineage
from tests.lineage.conftest import model_of, run_of, versions


def test_what_is_made_of_a_version_is_for_what_that_was(lake: Lake) -> None:
    rows = {"x": [1, 2], "kind": ["a", "b"]}
    fit = {"task": "tabular-classification", "target": "kind", "inputs": ["x"]}
    lake.commit("plants", pa.table(rows), op="import", **fit)
    answers = pa.table({**rows, "prediction": ["a", "a"]})
    said = lake.commit("said", answers, op="predict", parents=["plants@1"])
    again = lake.commit("again", answers, op="derive", parents=["said@1"])
    bare = lake.commit("bare", pa.table({"x": [1]}), op="derive", parents=["said@1"])
    told = "tabular-classification"
    assert [task_of_line(lake, each) for each in (said, again, bare)] == [told, told, None]
    lake.remove("plants@1")
    assert task_of_line(lake, again) is None


def test_the_way_up_and_the_way_down(lake: Lake) -> None:
    first, second, _ = versions(lake, 3)
    other = lake.commit("joined", pa.table({"x": [1]}), op="join", parents=[second.ref, "lookup@1"])
    split(lake, second)
    found = lineage(lake.workspace, second)
    assert [(r.ref, r.of, r.depth) for r in found.ancestors] == [("things@1", "things@2", 1)]
    assert {r.ref: (r.depth, r.branch) for r in found.descendants} == {
        "things@3": (1, 1),
        "things@4": (1, 1),
        "joined@1": (1, 1),
    }
    up = lineage(lake.workspace, other)
    assert [(r.ref, r.version is None) for r in up.ancestors] == [
        ("things@2", False),
        ("things@1", False),
        ("lookup@1", True),
    ]
    down = lineage(lake.workspace, first)
    assert down.descendants[0].ref == "things@2"
    assert (down.descendants[0].branch, down.descendants[1].branch) == (0, 1)


def test_a_diamond_is_walked_once_and_a_long_line_too(lake: Lake) -> None:
    first = versions(lake, 1)[0]
    left, right = (
        lake.commit("b", pa.table({"x": [n]}), op="f", parents=[first.ref]) for n in "12"
    )
    lake.commit("c", pa.table({"x": [1]}), op="join", parents=[left.ref, right.ref])
    assert [r.ref for r in lineage(lake.workspace, "c").ancestors] == ["b@1", "things@1", "b@2"]
    for _ in range(150):
        lake.restore("c")
    usual = sys.getrecursionlimit()
    # Longer than a walk that calls itself would come.
    sys.setrecursionlimit(len(inspect.stack()) + 120)
    try:
        assert len(lineage(lake.workspace, "c@1").descendants) == 150
    finally:
        sys.setrecursionlimit(usual)


def test_runs_and_models_stand_with_what_they_read(lake: Lake) -> None:
    first, second, third = versions(lake, 3)
    trained = run_of(lake, first.ref, "running", "finished", settled=second.ref)
    judged = run_of(lake, "things", "running", "finished", kind="evaluate", dataset=third.ref)
    brought = run_of(lake, "things", "running", "finished", kind="import", dataset=first.ref)
    model_of(lake, second)
    found = lineage(lake.workspace, third)
    by_ref = {r.ref: [(x.id, x.how) for x in r.readers] for r in found.ancestors}
    assert [reader.id for reader in found.readers] == [judged.id]
    assert by_ref["things@2"] == [(trained.id, "read"), ("net@1", "read")]
    assert by_ref["things@1"] == [(brought.id, "made"), (trained.id, "read")]
    told = found.to_json()
    assert told["ancestors"][0]["readers"][1] == {
        "kind": "model",
        "id": "net@1",
        "what": "mlp",
        "state": None,
        "how": "read",
    }
    assert (told["step"], told["ancestors"][1]["step"]) == ("clean", "import")


def test_what_is_in_use_is_not_removed_unless_forced(lake: Lake) -> None:
    first, second, third, fourth, _ = versions(lake, 5)
    stopped = run_of(lake, first.ref, "running", "stopped", settled=first.ref)
    broken = run_of(lake, first.ref, "running", settled=second.ref)
    model_of(lake, third)
    lake.tag(fourth, "best")
    words = in_use(lake.workspace, lake.versions("things"))
    assert f"the run {stopped.id} can be resumed on things@1" in words
    assert f"the run {broken.id} can be resumed on things@2" in words, "it was interrupted"
    assert "the model net@1 was trained on things@3" in words
    assert 'the tag "best" is on things@4' in words
    for ref in ("things@1", "things@2", "things@3", "things@best", "things"):
        with pytest.raises(UsageError, match="is in use") as caught:
            remove(lake.workspace, ref)
        assert "--force" in caught.value.hint
    assert len(lake.versions("things")) == 5
    remove(lake.workspace, "things@5")
    remove(lake.workspace, "things@best", force=True)
    assert [v.n for v in lake.versions("things")] == [3, 2, 1]
    remove(lake.workspace, "things", force=True)
    assert lake.datasets() == []
    assert list(lake.workspace.data.iterdir()) == []


def test_a_run_that_ended_does_not_keep_a_version_from_being_removed(lake: Lake) -> None:
    first, _ = versions(lake, 2)
    run_of(lake, first.ref, "running", "finished", settled=first.ref)
    run_of(lake, first.ref, "running", "failed", settled=first.ref)
    assert in_use(lake.workspace, [first]) == []
    remove(lake.workspace, first.ref)


def test_steps_in_words(lake: Lake) -> None:
    rows = pa.table({"t": list(range(60)), "who": list("abcdef") * 10, "label": ["x", "y"] * 30})
    base = lake.commit("d", rows, op="import", params={"source": "/far/away/plants.csv"})
    assert in_words(base) == "import plants.csv"
    assert in_words(split(lake, base, by="label")) == "split 80/10/10 by label"
    grouped = split(lake, base, group="who", by="label", test=0.2, validation=0.2)
    assert in_words(grouped) == "split 60/20/20 whole who by label"
    assert in_words(split(lake, base, time="t", test=0)) == "split 90/10/0 in time by t"
    assert in_words(split(lake, base, folds=5, fold=1)) == "split into 5 folds, testing on 1"
    assert in_words(lake.restore(base)) == "restore of d@1"
    steps = [
        {"step": {"do": "fill", "with": "mean"}, "did": {}},
        {"step": {"do": "trim"}, "did": {}},
    ]
    cleaned = lake.commit("d", "SELECT 1 AS a", op="clean", params={"steps": steps})
    assert in_words(cleaned) == "clean: fill, trim"
    long = {"a": "x" * 100, "b": [1, 2], "c": {"k": 1}, "d": None, "e": 5, "f": 6}
    made = lake.commit("d", rows, op="clean", params=long)
    assert in_words(made) == f"clean a={'x' * 39}… b=1,2 c={{1}} e=5 …"
