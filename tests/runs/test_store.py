"""Making, finding, listing and removing runs; no process needed."""

import json
import os
import re

import pytest

from core.errors import LeptonError, UsageError
from core.runs import lock
from core.runs.events import Event, EventWriter, encode
from core.runs.run import Run
from core.runs.state import RunState, summary
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
    assert runs.alive() == []


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


def test_only_the_runs_that_are_come_to_are_read(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [runs.create(kind, {}) for kind in ("train", "evaluate", "train")]
    for at, run in enumerate(made):
        run.path.rename(run.path.with_name(f"{run.kind}-2020010{at + 1}-000000-{run.id[-4:]}"))
    read: list[str] = []
    opened = runs._opened
    monkeypatch.setattr(runs, "_opened", lambda name: read.append(name) or opened(name))
    newest = runs.newest("train")
    assert next(newest).id == made[2].id
    assert [name[6:14] for name in read] == ["20200103"]
    assert [run.id for run in newest] == [made[0].id]
    assert [run.id for run in runs.newest("evaluate")] == [made[1].id]


def test_of_all_runs_those_that_are_alive(runs: Runs) -> None:
    first, _, third = (runs.create("train", {}) for _ in range(3))
    held = [lock.take(run.lock_path) for run in (first, third)]
    assert [run.id for run in runs.alive()] == [third.id, first.id]
    for descriptor in held:
        os.close(descriptor)
    assert runs.alive() == []


def test_a_log_that_was_searched_is_searched_on_from_there(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.state._PIECE", 300)
    run = runs.create("train", {})
    read: list[int] = []
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda file, size, at: read.append(at) or pread(file, size, at)
    )
    with EventWriter(run.events_path) as events:
        events.write("state", state="queued", log=3)
        events.write("state", state="running", pid=1)
        events.write("plan", device="cpu", epochs=9, steps=100, batch_size=10)
        for step in range(1, 31):
            events.write("step", step=step, loss=1.0, examples_per_second=20.0)
            if step % 10 == 0:
                events.write("epoch", epoch=step // 10, step=step, metrics={"loss": 1.0 / step})
        events.write("log", text="long " * 200)
        size = run.events_path.stat().st_size
        told, _ = summary(run.events_path)
        assert (told.state, told.log_offset, told.progress["step"]) == ("running", 3, 30)
        assert told.metrics == {"loss": 1 / 30}
        steps = [event["time"] for event in run.events() if event["event"] == "step"]
        assert told.remaining == pytest.approx(70 * (told.progress["time"] - steps[0]) / 29)
        read.clear()
        events.write("resumed", step=20, epoch=3)
        events.write("step", step=21, loss=1.0, examples_per_second=20.0)
        with run.events_path.open("ab") as log:
            log.write(b'{"event":"step","st')
        told, _ = summary(run.events_path)
    assert min(read) == size
    # Of what goes on from there only one step was told: by its own pace.
    assert (told.metrics, told.remaining) == ({"loss": 1 / 20}, 79 * 10 / 20)
    with run.events_path.open("ab") as log:
        log.write(b'ep":22,"examples_per_second":79.0,"time":%f}\n' % (told.paced["time"] + 3))
    assert summary(run.events_path)[0].remaining == pytest.approx(78 * 3, abs=0.01)


def test_what_is_left_is_told_at_the_pace_since_the_run_last_began(runs: Runs) -> None:
    run = runs.create("train", {})
    lines = [
        {"event": "state", "state": "running", "time": 0.0},
        {"event": "plan", "steps": 100, "batch_size": 10, "time": 1.0},
        *(
            {"event": "step", "step": n, "examples_per_second": 5.0, "time": 10.0 + n}
            for n in (1, 11)
        ),
        {"event": "state", "state": "running", "time": 9000.0},
        {"event": "resumed", "step": 10, "epoch": 1, "time": 9001.0},
    ]

    def left(*more: Event) -> float | None:
        with run.events_path.open("a") as log:
            log.writelines(json.dumps(event, separators=(",", ":")) + "\n" for event in more)
        return summary(run.events_path)[0].remaining

    assert left(*lines[:4]) == 89 * 1.0
    assert left(*lines[4:]) is None
    # A quick record and a slow one between make no other pace of the whole.
    for step, at in ((20, 0.0), (21, 0.01), (22, 4.0), (30, 20.0)):
        told = left(
            {"event": "step", "step": step, "examples_per_second": 50.0, "time": 9002.0 + at}
        )
    assert told == 70 * 2.0
    assert left({"event": "paused", "why": "full", "time": 9100.0}) is None
    assert left({"event": "paused", "why": None, "time": 9900.0}) is None
    for step in (31, 41):
        told = left({"event": "step", "step": step, "time": 9900.0 + step})
    assert told == 59 * 1.0


def test_a_log_that_is_another_one_is_searched_anew(runs: Runs) -> None:
    run = runs.create("train", {})
    with EventWriter(run.events_path) as events:
        events.write("state", state="failed", error=None)
    assert run.state().state == "failed"
    run.events_path.unlink()
    assert run.state().state == "queued"
    with EventWriter(run.events_path) as events:
        events.write("state", state="queued", log=0)
    assert summary(run.events_path)[0].state == "queued"


def test_the_time_that_a_run_waited_or_lay_stopped_is_no_work(runs: Runs) -> None:
    run = runs.create("train", {})

    def told(*states: tuple[float, str]) -> RunState:
        with run.events_path.open("ab") as log:
            for at, state in states:
                name = "step" if state == "step" else "state"
                log.write(encode({"time": at, "event": name, "state": state, "step": 1}))
        return run.state()

    assert told((10, "queued")).seconds is None
    assert told((100, "running"), (103, "step")).seconds == 3
    assert told((104, "stopping"), (105, "stopped")).seconds == 5
    # Resumed, killed after two seconds of work, and resumed again an hour later.
    assert told((500, "queued"), (510, "running"), (512, "step")).seconds == 7
    assert told((4000, "queued"), (4001, "running"), (4002, "finished")).seconds == 8
    assert run.state().seconds == run.history().elapsed()


def test_the_version_that_was_read_is_told_once_it_is_known(runs: Runs) -> None:
    run = runs.create("train", {}, dataset="digits@1")
    assert run.state().dataset == "digits@1"
    with EventWriter(run.events_path) as events:
        events.write("plan", steps=3, dataset="digits@2")
    assert run.state().dataset == "digits@2"
