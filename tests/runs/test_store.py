"""Making, finding, listing and removing runs; no process needed."""

import json
import re

import pytest

from core.errors import LeptonError, UsageError
from core.runs.events import EventWriter
from core.runs.run import Run
from core.runs.store import Runs


def test_what_was_asked_is_on_disk(runs: Runs) -> None:
    run = runs.create("train", {"epochs": 3}, dataset="digits@1", model="cnn")
    assert re.fullmatch(r"train-\d{8}-\d{6}-[a-z0-9]{4}", run.id)
    asked = json.loads((run.path / "run.json").read_text())
    assert asked["id"] == run.id
    assert asked["spec"] == {"epochs": 3}
    assert run.checkpoints.is_dir()
    assert run.artifacts.is_dir()
    state = Run(run.path, runs.workspace).state()
    assert (state.state, state.pid) == ("queued", None)
    assert (state.dataset, state.model) == ("digits@1", "cnn")
    promised = "id kind state pid dataset model device epoch step metrics"
    assert list(state.to_json())[:10] == promised.split()
    assert list(runs.workspace.tmp.iterdir()) == []


def test_a_spec_that_is_not_json_leaves_nothing_behind(runs: Runs) -> None:
    with pytest.raises(TypeError):
        runs.create("train", {"epochs": object()})
    assert list(runs.workspace.tmp.iterdir()) == []
    assert runs.list() == []


def test_newest_first_and_what_is_no_run_is_left_out(runs: Runs) -> None:
    made = [runs.create(kind, {}).id for kind in ("train", "evaluate", "train")]
    (runs.workspace.runs / "holiday photos").mkdir()
    (runs.workspace.runs / "half").mkdir()
    (runs.workspace.runs / "half" / "run.json").write_text('{"id": "ha')
    (runs.workspace.runs / "list").mkdir()
    (runs.workspace.runs / "list" / "run.json").write_text("[]")
    (runs.workspace.runs / ".DS_Store").touch()
    assert [state.id for state in runs.list()] == made[::-1]


def test_a_run_is_found_by_any_unambiguous_piece(runs: Runs) -> None:
    first, second = runs.create("train", {}), runs.create("evaluate", {})
    assert runs.get(first.id).id == first.id
    assert runs.get("tr").id == first.id
    assert runs.get(second.id[-4:]).id == second.id
    third = runs.create("train", {})
    with pytest.raises(UsageError) as failure:
        runs.get("train-")
    assert first.id in failure.value.hint
    assert third.id in failure.value.hint
    for name in ("trian", "", "../runs", "."):
        with pytest.raises(UsageError):
            runs.get(name)


def test_removing(runs: Runs) -> None:
    run = runs.create("train", {})
    (run.checkpoints / "weights").write_bytes(b"x")
    runs.remove(run.id)
    assert runs.list() == []
    assert list(runs.workspace.tmp.iterdir()) == []
    for act in (run.launch, run.remove, run.stop):
        with pytest.raises(UsageError, match="no such run any more"):
            act()


def test_a_listing_reads_the_end_of_a_long_log(runs: Runs) -> None:
    run = runs.create("train", {}, model="cnn")
    with EventWriter(run.events_path) as events:
        events.write("state", state="queued", log=0)
        events.write("state", state="running", pid=1)
        events.write("plan", device="cpu", epochs=2, steps=6000)
        events.write("epoch", epoch=1, step=100, metrics={"val/loss": 0.5})
        events.write("epoch", epoch=2, step=200, metrics={"val/loss": 0.4})
        for step in range(201, 3000):
            events.write("step", epoch=3, step=step, loss=1.0)
    state = run.state()
    assert (state.state, state.device, state.epochs, state.steps) == ("interrupted", "cpu", 2, 6000)
    assert (state.epoch, state.step, state.metrics) == (3, 2999, {"val/loss": 0.4})
    with EventWriter(run.events_path) as events:
        events.write("resumed", epoch=2, step=150)
    state = run.state()
    assert (state.epoch, state.step, state.metrics) == (2, 150, {"val/loss": 0.5})


def test_the_folder_of_something_else(runs: Runs, tmp_path) -> None:
    with pytest.raises(LeptonError, match="not the folder of a run"):
        Run(tmp_path, runs.workspace)
