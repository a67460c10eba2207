"""A whole data set answered in a run: the engine's answers, beside the rows, whatever happens."""

from __future__ import annotations

import os
import signal
from typing import Any

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import LeptonError, UsageError
from core.inference import batch
from core.inference.engine import Engine
from core.inference.messages import Row
from core.lineage.tree import lineage
from core.runs.run import Run
from core.runs.state import summary
from core.runs.store import Runs
from core.workspace import Workspace
from tests.inference.conftest import flowers

pytestmark = pytest.mark.slow


def start(workspace: Workspace, **spec: Any) -> Run:
    run = Runs(workspace).create("predict", spec, dataset=spec["dataset"], model=spec["model"])
    run.launch()
    return run


def ended(run: Run) -> dict[str, Any]:
    for _ in run.events(follow=True):
        pass
    assert run.state().state == "finished", run.log_tail()
    return summary(run.events_path)[0].result


def rows_of(workspace: Workspace, ref: str) -> list[dict[str, Any]]:
    with Lake(workspace).open(ref) as view:
        return [row for part in view.batches(view.version.column_names) for row in part.to_pylist()]


def many(workspace: Workspace, name: str, copies: int) -> Version:
    table = flowers()
    return Lake(workspace).commit(name, pa.concat_tables([table] * copies), op="import")


def test_the_answers_are_the_engines_and_stand_beside_the_rows(models: Workspace) -> None:
    run = start(models, model="flowers", dataset="flowers", into="answered")
    told = ended(run)
    assert (told["dataset"], told["model"]) == ("answered@1", "flowers@1")
    assert (told["rows"], told["failed"]) == (60, 0)
    found = rows_of(models, "answered")
    asked = [Row("", {name: row[name] for name in ("petal length", "colour")}) for row in found]
    answers = Engine(models, "cpu").predict("flowers", asked)
    assert [row["prediction"] for row in found] == [answer.label for answer in answers]
    assert [row["score"] for row in found] == pytest.approx([a.score for a in answers], abs=1e-5)
    assert [row["species"] for row in found] == flowers()["species"].to_pylist()
    assert {row["error"] for row in found} == {None}
    known = lineage(models, "answered")
    assert [each.ref for each in known.ancestors] == ["flowers@1"]
    assert Lake(models).version("answered").params["model"] == "flowers@1"
    assert not (run.artifacts / "parts").exists()
    # Once more: the next version, and what is called alike keeps its name.
    again = start(models, model="flowers", dataset="answered", into="answered")
    assert ended(again)["dataset"] == "answered@2"
    assert {"prediction", "prediction_2", "error_2"} <= {*rows_of(models, "answered@2")[0]}


def test_killed_in_the_middle_it_goes_on_behind_the_last_block(models: Workspace) -> None:
    version = many(models, "plenty", 600)
    run = start(models, model="flowers", dataset=version.ref, into="plenty-said")
    for event in run.events(follow=True):
        if event["event"] == "step":
            pid = run.state().pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            break
    for _ in run.events(follow=True):
        pass
    assert run.state().state == "interrupted"
    assert any((run.artifacts / "parts").iterdir())
    run.launch()
    assert ended(run)["rows"] == version.rows
    whole = start(models, model="flowers", dataset=version.ref, into="plenty-whole")
    ended(whole)
    one, other = rows_of(models, "plenty-said"), rows_of(models, "plenty-whole")
    assert [row["_rid"] for row in one] == list(range(version.rows))
    assert [row["prediction"] for row in one] == [row["prediction"] for row in other]
    assert len(Lake(models).versions("plenty-said")) == 1


def test_a_bad_row_has_its_error_alone(models: Workspace) -> None:
    length = pa.array(["1.5", "many", "6"])
    table = pa.table({"petal length": length, "colour": ["red", "red", "blue"]})
    Lake(models).commit("mixed", table, op="import")
    run = start(models, model="flowers", dataset="mixed", into="mixed-said")
    assert ended(run)["failed"] == 1
    found = rows_of(models, "mixed-said")
    assert [row["error"] is None for row in found] == [True, False, True]
    assert "'many' is no number" in found[1]["error"]
    assert found[1]["prediction"] is None


def test_pictures_stay_where_they_are(models: Workspace) -> None:
    run = start(models, model="digits", dataset="digits", into="digits-said")
    ended(run)
    assert "image" not in Lake(models).version("digits-said").column_names
    assert len(rows_of(models, "digits-said")) == 24


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"model": "flower"}, 'no model "flower"'),
        ({"dataset": "reviews"}, "petal length"),
        ({"split": "tset"}, 'no split "tset"'),
        ({"into": "Bad Name"}, "cannot be a name"),
        ({"into": None}, "into is missing"),
        ({"spilt": "test"}, 'no setting "spilt"'),
    ],
)
def test_what_cannot_be_is_told_before_any_work(
    models: Workspace, spec: dict[str, Any], words: str
) -> None:
    asked = {"model": "flowers", "dataset": "flowers", "into": "x"} | spec
    with pytest.raises(UsageError, match=words):
        batch.settle(models, asked)


def test_a_stopped_one_keeps_what_it_has(models: Workspace) -> None:
    version = many(models, "stopped", 600)
    run = start(models, model="flowers", dataset=version.ref, into="stopped-said")
    for event in run.events(follow=True):
        if event["event"] == "step":
            run.stop(wait=60)
            break
    state = run.state().state
    if state == "stopped":
        assert (run.artifacts / "parts").exists()
        with pytest.raises((UsageError, LeptonError)):
            Lake(models).version("stopped-said")
        run.launch()
    assert ended(run)["rows"] == version.rows
