"""A whole data set answered in a run: the engine's answers, beside the rows, whatever happens."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import UsageError
from core.inference import batch, parts
from core.inference.engine import Engine
from core.inference.inputs import read_inputs
from core.inference.messages import Row
from core.inference.parts import Parts
from core.lineage.tree import lineage
from core.models.registry import Models, task_of
from core.runs.run import Run
from core.runs.state import summary
from core.runs.store import Runs
from core.workspace import Workspace
from tests.inference.conftest import flowers, learn, publish

pytestmark = pytest.mark.slow

ONCE, MANY = 60, 1_000_000
SHOPS = ("north", "south", "new")


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


@pytest.fixture(scope="module")
def plenty(models: Workspace) -> Version:
    """So many rows that a run is at them for seconds: the flowers, again and again."""
    rows = flowers().take(np.arange(MANY) % ONCE)
    return Lake(models).commit("plenty", rows, op="import")


@contextmanager
def at_work(run: Run, rows: int) -> Iterator[int]:
    """The run's process, which has answered so many rows and is not done; it stands still."""
    for event in run.events(follow=True):
        if event["event"] == "step" and event["step"] >= rows:
            pid = run.state().pid
            assert pid, "it has ended already"
            os.kill(pid, signal.SIGSTOP)
            try:
                yield pid
            finally:
                os.kill(pid, signal.SIGCONT)
            return
    raise AssertionError(run.log_tail())


def steps(run: Run) -> list[int]:
    return [event["step"] for event in run.events() if event["event"] == "step"]


def check_plenty(workspace: Workspace, ref: str, rows: int = MANY) -> None:
    """Every row is there once and in order, and like ones have the same answer."""
    with Lake(workspace).open(ref) as view:
        ((count, distinct, last),) = view.sql(
            "SELECT count(*), count(DISTINCT _rid), max(_rid) FROM rows"
        )
        assert (count, distinct, last) == (rows, rows, rows - 1)
        ((kinds, failed),) = view.sql(
            "SELECT count(*), sum(f) FROM (SELECT _rid % 60, count(DISTINCT prediction) AS k,"
            " count(error) AS f FROM rows GROUP BY 1 HAVING k = 1)"
        )
        assert (kinds, failed) == (ONCE, 0)


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
    assert [row["scores"] for row in found] == [
        pytest.approx(dict(answer.scores), abs=1e-5) for answer in answers
    ]
    types = {column.name: column.type for column in Lake(models).version("answered").columns}
    assert types["score"] == "DOUBLE"
    assert types["scores"] == "STRUCT(long DOUBLE, short DOUBLE)"
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


def test_killed_in_the_middle_it_goes_on_behind_the_last_part(
    models: Workspace, plenty: Version
) -> None:
    run = start(models, model="flowers", dataset=plenty.ref, into="plenty-said")
    with at_work(run, 2 * parts.PART_ROWS) as pid:
        os.kill(pid, signal.SIGKILL)
    run.wait()
    assert run.state().state == "interrupted"
    kept = Parts(run.artifacts / "parts").done().asked
    assert parts.PART_ROWS <= kept < MANY
    before = len(steps(run))
    run.launch()
    assert ended(run)["rows"] == MANY
    assert steps(run)[before] > kept, "what was answered is not answered again"
    check_plenty(models, "plenty-said")
    assert len(Lake(models).versions("plenty-said")) == 1


def test_a_stopped_one_loses_nothing(models: Workspace, plenty: Version) -> None:
    run = start(models, model="flowers", dataset=plenty.ref, into="stopped-said")
    with at_work(run, 1) as pid:
        os.kill(pid, signal.SIGTERM)
    assert run.wait().state == "stopped"
    kept = Parts(run.artifacts / "parts").done().asked
    assert kept >= steps(run)[-1] > 0
    with pytest.raises(UsageError):
        Lake(models).version("stopped-said")
    run.launch()
    assert ended(run)["rows"] == MANY
    check_plenty(models, "stopped-said")


def test_killed_before_it_is_in_the_lake_it_answers_nothing_again(models: Workspace) -> None:
    # Whoever writes into the lake waits for the catalogue.
    with Lake(models).held("flowers"):
        run = start(models, model="flowers", dataset="flowers", into="held-said")
        with at_work(run, ONCE) as pid:
            os.kill(pid, signal.SIGKILL)
        run.wait()
    assert run.state().state == "interrupted"
    run.launch()
    assert ended(run)["rows"] == ONCE
    assert steps(run) == [ONCE]
    assert len(Lake(models).versions("held-said")) == 1


def test_killed_while_it_tidies_up_it_is_done(models: Workspace) -> None:
    run = start(models, model="flowers", dataset="flowers", into="tidy-said")
    ended(run)
    # As a kill in the middle of it leaves the folder: half of the parts, and no last words.
    (run.artifacts / "parts").mkdir()
    lines = run.events_path.read_text().splitlines(keepends=True)
    last = '"finished"', '"result"'
    told = [line for line in lines if not any(word in line for word in last)]
    assert len(lines) - len(told) == len(last)
    run.events_path.write_text("".join(told))
    assert run.state().state == "interrupted"
    run.launch()
    assert ended(run)["dataset"] == "tidy-said@1"
    assert steps(run) == [ONCE]
    assert not (run.artifacts / "parts").exists()


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


def test_a_split_without_rows_is_refused(models: Workspace) -> None:
    lake = Lake(models)
    everything = lake.commit("parted", flowers(), op="import")
    parts = pa.table({"_rid": range(ONCE), "split": ["train"] * ONCE})
    version = lake.commit_columns(everything, parts, op="split")
    with pytest.raises(UsageError, match='no split "test"'):
        batch.settle(
            models, {"model": "flowers", "dataset": version.ref, "into": "x", "split": "test"}
        )


@pytest.fixture(scope="module")
def forecaster(models: Workspace) -> Workspace:
    """Two series of 60 days and one of 3, and a model of them."""
    first = dt.date(2026, 1, 1)
    lines = [("north", 60), ("south", 60), ("new", 3)]
    rows = [
        {"day": first + dt.timedelta(at), "shop": shop, "sold": float(at % 7 + len(shop))}
        for shop, days in lines
        for at in range(days)
    ]
    Lake(models).commit(
        "sales",
        pa.Table.from_pylist(rows),
        op="import",
        target="sold",
        task="time-series-forecasting",
        inputs=["day", "shop"],
    )
    publish(models, learn(models, "sales"), "sales")
    return models


def test_a_forecast_has_a_row_for_each_series_and_day_to_come(forecaster: Workspace) -> None:
    told = ended(start(forecaster, model="sales", dataset="sales", into="sales-said"))
    found = rows_of(forecaster, "sales-said")
    horizon = task_of(Models(forecaster).get("sales")).horizon
    assert (told["rows"], told["failed"]) == (2 * horizon + 1, 1)
    assert told["faults"][0]["row"] == "shop new"
    by_shop = {shop: [row for row in found if row["shop"] == shop] for shop in SHOPS}
    assert [len(by_shop[shop]) for shop in SHOPS] == [horizon, horizon, 1]
    days = [dt.datetime(2026, 3, 2) + dt.timedelta(at) for at in range(horizon)]
    assert [row["day"] for row in by_shop["north"]] == days
    rows = read_inputs(forecaster, task_of(Models(forecaster).get("sales")), ["sales"])
    answers = Engine(forecaster, "cpu").predict("sales", rows)
    (north,) = [each for each in answers if each.ok and each.input.endswith("#59")]
    assert [row["prediction"] for row in by_shop["north"]] == north.output["values"]
    assert "3 steps" in by_shop["new"][0]["error"]
    assert "shop new" in by_shop["new"][0]["error"]
    assert by_shop["new"][0]["prediction"] is None
