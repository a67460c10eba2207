"""What happens around a training: others resume it, its data goes or changes, the machine restarts,
the clock is set back, a device is lost. Each has a clear end."""

import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.lineage.removal import remove
from core.models.folder import save_model
from core.models.registry import Models
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.store import Runs
from core.training import patience, worker
from core.training.arrays import STAGED
from tests.disks import small_disk
from tests.runs.conftest import saw, stop_all, until

DEADLINE = 300
LONG = {"batch_size": 4, "epochs": 5000, "checkpoint_every": 20}
SHORT = {"batch_size": 16, "epochs": 4}


@pytest.fixture
def train(workspace, penguins):
    made = []

    def make(**settings):
        spec = {"dataset": "penguins", "device": "cpu", "threads": 1, **settings}
        made.append(Runs(workspace).create("train", spec))
        return made[-1]

    yield make
    stop_all(made)


def stopped(run, at=40):
    """The run, begun and stopped after some steps."""
    run.launch()
    for event in run.events(follow=True):
        if event["event"] == "checkpoint" and event["step"] >= at:
            break
    assert run.stop(wait=None).state == "stopped"
    return run


def weights(workspace, run):
    state = run.wait(DEADLINE)
    assert state.state == "finished", state.error
    return Models(workspace).get(state.model).weights.read_bytes()


@pytest.mark.slow
def test_of_two_who_resume_at_once_one_does(train, workspace):
    run = stopped(train(**LONG))
    command = [sys.executable, "-m", "lepton_tui", "runs", "resume", run.id, "--detach"]
    environment = {**os.environ, "LEPTON_HOME": str(workspace.home)}
    both = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=DEADLINE)[1] for each in both]
    assert sorted(each.returncode for each in both) == [0, 1]
    (refused,) = [words for words in said if "error" in words]
    assert "the run is running already" in refused
    saw(run, "resumed")
    assert run.stop(wait=None).state == "stopped"
    launches = [e for e in run.events() if e["event"] == "state" and e["state"] == "running"]
    assert len(launches) == 2


def test_rows_that_change_meanwhile_are_not_its_rows(train, workspace):
    first = train(**SHORT)
    first.launch()
    expected = weights(workspace, first)
    dataset = next(e["dataset"] for e in first.events() if e["event"] == "plan")
    run = train(**SHORT | {"dataset": dataset})
    run.launch()
    saw(run, "state", state="running")
    Lake(workspace).commit("penguins", pa.table({"species": ["x"], "a": [1]}), op="import")
    assert weights(workspace, run) == expected


@pytest.mark.slow
def test_data_that_is_read_is_kept_from_removal_and_a_forced_one_is_told(train, workspace):
    run = train(**LONG)
    run.launch()
    saw(run, "checkpoint")
    with pytest.raises(LeptonError, match="in use: the run"):
        remove(workspace, "penguins")
    remove(workspace, "penguins", force=True)
    # What was encoded is the run's own: it goes on, and stops as any other.
    assert run.stop(wait=None).state == "stopped"
    run.launch()
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    assert "penguins" in state.error["what"]


@pytest.fixture
def many(workspace):
    """Rows enough to be met while they are encoded, and the file in which they lie."""
    number = np.arange(100_000)
    rows = {"a": number % 97 / 7, "b": number * 31 % 101 / 3, "y": (number % 2).astype(str)}
    split = np.where(number % 10, "train", "validation")
    version = Lake(workspace).commit("many", pa.table({**rows, "split": split}), op="import")
    return workspace.data / version.files[0].name


def held_while_it_encodes(workspace, run):
    run.launch()
    while run.wait(0.01).state in ("queued", "running"):
        if any(workspace.tmp.glob(f"*{STAGED}")):
            pid = run.state().pid
            os.kill(pid, signal.SIGSTOP)
            if any(workspace.tmp.glob(f"*{STAGED}")):
                return pid
            os.kill(pid, signal.SIGCONT)
    raise AssertionError(run.log_tail())


def gone(workspace, path):
    remove(workspace, "many", force=True)


def cut(workspace, path):
    os.truncate(path, path.stat().st_size // 2)


def changed(workspace, path):
    """In a bit, of which DuckDB knows nothing."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lose", "how"), [(gone, "missing"), (cut, "damaged"), (changed, "damaged")]
)
def test_rows_that_are_lost_while_they_are_encoded_are_told(train, workspace, many, lose, how):
    content = many.read_bytes()
    run = train(dataset="many", target="y", max_steps=5)
    pid = held_while_it_encodes(workspace, run)
    many.chmod(0o644)
    lose(workspace, many)
    os.kill(pid, signal.SIGCONT)
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    assert state.error["what"] == f"a data file of many@1 is {how}"
    assert state.error["where"] == str(many)
    # Nothing of them is taken for encoded rows later.
    assert not list(workspace.tmp.iterdir())
    assert {path.suffix for path in workspace.compiled.iterdir()} == {".codec"}
    many.write_bytes(content)
    run.launch()
    state = run.wait(DEADLINE)
    if lose is gone:
        assert state.error["what"] == 'no data set "many"'
    else:
        assert state.state == "finished", state.error


def test_rows_that_come_while_others_are_encoded_are_not_its_rows(train, workspace, many):
    run = train(dataset="many", target="y", max_steps=5)
    pid = held_while_it_encodes(workspace, run)
    Lake(workspace).commit("many", pa.table({"a": [1.0], "y": ["z"]}), op="import")
    os.kill(pid, signal.SIGCONT)
    assert run.wait(DEADLINE).state == "finished", run.state().error
    plan = next(event for event in run.events() if event["event"] == "plan")
    assert (plan["dataset"], plan["examples"]) == ("many@1", 90_000)


def test_a_model_for_which_there_is_no_room_waits_for_it(train, monkeypatch):
    run = train(**SHORT)
    tries = []

    def full(*given):
        tries.append(given)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_model(*given)

    monkeypatch.setattr(worker, "save_model", full)
    monkeypatch.setattr(patience, "ROOM_SECONDS", 0)
    with EventWriter(run.events_path) as events, run._locked():
        worker.run(Job(run, events))
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert sum("paused: the model could not be saved: No space left" in each for each in told) == 1
    assert "there is room again: training goes on" in told
    assert run.history().result["model"] == "penguins_mlp@1"


@pytest.mark.parametrize("asked_to_stop", [False, True])
def test_a_disk_that_is_full_once_the_model_is_published(workspace, penguins, asked_to_stop):
    spec = {"dataset": "penguins", "device": "cpu", "threads": 1, **SHORT}
    run = Runs(workspace).create("train", spec, entry="tests.training.full")
    made = shutil.copytree(run.path, workspace.tmp / "made")
    with small_disk(run.path, "4m"):
        shutil.copytree(made, run.path, dirs_exist_ok=True)
        run.launch()
        until(lambda: "paused: the run's events cannot be written" in run.log_tail())
        assert run.state().state == "running"
        if asked_to_stop:
            os.kill(run.state().pid, signal.SIGTERM)
            state = run.wait(DEADLINE)
            assert state.state == "interrupted"
            assert "No space left" in run.log_tail()
            assert "Resume the run" in state.error["hint"]
        (run.path / "filler").unlink()
        if asked_to_stop:
            run.launch()
        assert weights(workspace, run)
        assert [model.ref for model in Models(workspace).list()] == ["penguins_mlp@1"]
        stop_all([run])


@pytest.mark.slow
def test_after_a_reboot_a_run_is_interrupted_and_goes_on(train, workspace):
    expected = train(**SHORT)
    expected.launch()
    whole = weights(workspace, expected)
    run = train(**SHORT, checkpoint_every=3)
    run.launch()
    saw(run, "checkpoint")
    os.kill(run.state().pid, signal.SIGKILL)
    run.wait(DEADLINE)
    # The number of its process belongs to another one now, which lives.
    run.lock_path.write_text(f"{os.getpid()}\n")
    state = run.state()
    assert (state.state, state.pid) == ("interrupted", None)
    run.launch()
    assert weights(workspace, run) == whole


def test_a_clock_that_is_set_back_takes_no_time_away(train, workspace):
    run = train(**SHORT)
    run.launch()
    weights(workspace, run)
    lines = run.events_path.read_bytes().splitlines()
    # An hour back, in the middle.
    set_back = [
        re.sub(rb'"time":([0-9.]+)', lambda m: b'"time":%f' % (float(m[1]) - 3600), line)
        if at > len(lines) // 2
        else line
        for at, line in enumerate(lines)
    ]
    run.events_path.write_bytes(b"\n".join(set_back) + b"\n")
    state = Runs(workspace).get(run.id).state()
    assert state.state == "finished"
    assert state.remaining is None or state.remaining >= 0
    shown = subprocess.run(
        [sys.executable, "-m", "lepton_tui", "runs", "show", run.id],
        env={**os.environ, "LEPTON_HOME": str(workspace.home)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"took +[0-9]", shown)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_while_it_trains_does_not_count(train, monkeypatch, hours):
    run = train(**SHORT | {"max_time": "10m", "checkpoint_every": 5})
    clock = itertools.count(time.time(), 3600 * hours)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    with EventWriter(run.events_path) as events, run._locked():
        worker.run(Job(run, events))
    told = list(run.events())
    (result,) = [event for event in told if event["event"] == "result"]
    assert result["ended_by"] is None
    assert sum(event["event"] == "checkpoint" for event in told) >= SHORT["epochs"]
    assert all(0 <= event["seconds"] < 600 for event in told if event["event"] == "epoch")
    assert all(b["time"] != a["time"] for a, b in itertools.pairwise(told))
