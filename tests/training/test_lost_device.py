"""A device that goes away in the middle of a step. Only what torch says then is made up: the run,
its process and its group are real."""

import os
import subprocess
import sys

import psutil
import pytest

from core.models.registry import Models
from core.runs.queue_devices import Devices
from core.runs.store import Runs
from tests.runs.conftest import saw, stop_all
from tests.training.test_run_processes import after

DEADLINE = 200
LAUNCH = 'torch.AcceleratorError("CUDA error: unspecified launch failure\\nCUDA kernel errors")'
FAILS = """
import os, sys
if {"core.runs.worker", "core.training.rank"} & set(sys.orig_argv):
    import torch
    from core.training import stepper, worker
    worker.resolve = lambda name: torch.device("cpu")
    update, taken = stepper.Stepper._update, []
    def fails(*given):
        taken.append(given)
        if len(taken) > 50 and os.environ.get("RANK", "RANK") == "RANK":
            raise ERROR
        return update(*given)
    stepper.Stepper._update = fails
    import atexit
    atexit.register(print, "taken down in order", flush=True)
"""
STEADY = {"batch_size": 16, "epochs": 6, "checkpoint_every": 20, "options": {"dropout": 0.3}}


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def failing(tmp_path, monkeypatch, state):
    """Has the steps of all trainings fail from the 51st on, in one process of a group."""

    def begin(error, rank="0"):
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(
            FAILS.replace("ERROR", error).replace('"RANK") == "RANK"', f'"{rank}") == "{rank}"')
        )
        monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        return lambda: (site / "sitecustomize.py").unlink()

    return begin


@pytest.fixture
def train(workspace, penguins):
    made = []

    def make(device="cpu", devices=1, **settings):
        spec = {"dataset": "penguins", "device": device, "devices": devices, "threads": 1}
        spec |= {**STEADY, **settings}
        made.append(Runs(workspace).create("train", spec, device=device, devices=devices))
        return made[-1]

    yield make
    stop_all(made)


def lepton(workspace, *words):
    return subprocess.run(
        [sys.executable, "-m", "lepton_tui", *words],
        env={**os.environ, "LEPTON_HOME": str(workspace.home), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def weights(workspace, run):
    state = run.wait(DEADLINE)
    assert state.state == "finished", state.error
    return Models(workspace).get(state.model).weights.read_bytes()


@pytest.mark.parametrize("error", [LAUNCH, 'RuntimeError("CUDA error: GPU is lost")'])
def test_a_device_that_goes_away_ends_the_run_which_goes_on_elsewhere(
    train, workspace, failing, error
):
    expected = train()
    expected.launch()
    whole = weights(workspace, expected)
    mend = failing(error)
    run = train("cuda:1")
    told = lepton(workspace, "runs", "resume", run.id)
    assert told.returncode == 1
    said = "unspecified launch failure" if error is LAUNCH else "GPU is lost"
    what = f"cuda:1 has failed: CUDA error: {said}; step 40 is saved"
    assert what in told.stderr
    command = f"lepton runs resume {run.id} --device cpu"
    assert command in told.stderr
    state = run.state()
    assert (state.state, state.pid, state.device) == ("failed", None, "cuda:1")
    # Nothing was saved from the dead device, nor was it taken down.
    assert max(e["step"] for e in run.events() if e["event"] == "checkpoint") == 40
    assert "taken down in order" not in run.log_tail()
    assert Devices().blamed("cuda:1")
    mend()
    again = lepton(workspace, *command.split()[1:])
    assert again.returncode == 0, again.stderr
    assert "Resumed at step 40" in again.stdout
    assert weights(workspace, run) == whole


def test_a_check_of_a_kernel_is_no_lost_device(train, failing):
    failing('torch.AcceleratorError("CUDA error: device-side assert triggered\\nmore")')
    run = train("cuda:1")
    run.launch()
    error = run.wait(DEADLINE).error
    assert error["what"].startswith("a check on cuda:1 ended the work: CUDA error: device-side")
    assert f"lepton runs resume {run.id} --device cpu" in error["hint"]
    assert not Devices().blamed("cuda:1")


def test_a_full_memory_is_no_lost_device(train, failing):
    failing('torch.AcceleratorError("CUDA error: out of memory\\nmore")')
    run = train("cuda:1", batch_size=1)
    run.launch()
    assert run.wait(DEADLINE).error["what"] == "the device's memory is full"
    assert not Devices().blamed("cuda:1")


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_device_that_goes_away_ends_all_of_the_group(train, workspace, failing, rank):
    mend = failing(LAUNCH, rank)
    run = train("cpu", 2)
    run.launch()
    after(run, "step")
    members = psutil.Process(run.state().pid).children()
    assert len(members) == 2
    state = run.wait(DEADLINE)
    assert not psutil.wait_procs(members, timeout=DEADLINE)[1]
    assert state.state == "failed"
    assert state.error["what"] == (
        "cpu has failed: CUDA error: unspecified launch failure; step 40 is saved"
    )
    # At once: none was started again with what had failed.
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert not any("of 3 times" in text for text in told)
    mend()
    run.launch()
    assert saw(run, "resumed")["step"] == 40
    assert weights(workspace, run)


@pytest.mark.slow
def test_a_run_whose_device_is_gone_goes_on_elsewhere(train, workspace, state):
    """Gone before it began, and gone when it is gone on with."""
    run = train("cuda:1")
    told = lepton(workspace, "runs", "resume", run.id)
    assert told.returncode == 1
    assert 'this machine has no device "cuda:1"' in told.stderr
    assert f"lepton runs resume {run.id} --device cpu" in told.stderr
    assert run.state().state == "failed"
    nowhere = lepton(workspace, "runs", "resume", run.id, "--device", "cuda:2")
    assert nowhere.returncode == 2
    assert 'no device "cuda:2"' in nowhere.stderr
    moved = lepton(workspace, "train", "--resume", run.id, "--device", "cpu", "--detach")
    assert moved.returncode == 0, moved.stderr
    saw(run, "checkpoint", step=20)
    run.stop(wait=DEADLINE)
    config = run.artifacts / "config.json"
    config.write_text(config.read_text().replace('"device": "cpu"', '"device": "cuda:1"'))
    run.launch(device="cuda:1")
    state = run.wait(DEADLINE)
    assert state.state == "failed"
    assert state.error["what"] == "cuda:1 does not answer any more"
    assert state.error["hint"].endswith(f"lepton runs resume {run.id} --device cpu")
    run.launch(device="cpu")
    assert weights(workspace, run)
    assert '"device": "cpu"' in config.read_text()
