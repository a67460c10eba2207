"""The queue of a machine that loses a device. Driver and torch are made up, the processes real."""

import os

import pytest

from core.devices import failure
from core.runs.queue import Queue
from core.runs.queue_devices import Devices
from tests.runs.conftest import saw

DEADLINE = 60
NVML = """
from pathlib import Path
class NVMLError_GpuIsLost(Exception): pass
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index):
    if f"cuda:{index}" in Path(__file__).with_name("lost").read_text():
        raise NVMLError_GpuIsLost("GPU is lost")
    return index
"""
TORCH = """
from pathlib import Path
def ones(n, device):
    if device in Path(__file__).parents[1].joinpath("broken").read_text():
        raise RuntimeError("CUDA error: unknown error")
    return Sum()
class Sum:
    def sum(self):
        return 2.0
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of two cards: the folder whose files `lost` and `broken` name those that fail."""
    folder = tmp_path / "machine"
    (folder / "torch").mkdir(parents=True)
    (folder / "pynvml.py").write_text(NVML)
    (folder / "torch" / "__init__.py").write_text(TORCH)
    (folder / "torch" / "version.py").write_text("cuda = '13.0'\n")
    for name in ("lost", "broken"):
        (folder / name).write_text("")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("core.devices.facts.accelerators", lambda: ["cuda:0", "cuda:1"])
    return folder


@pytest.fixture
def begun(runs):
    """Makes and launches a job on a device."""

    def made(do, device):
        run = runs.create("job", {"do": do}, entry="tests.runs.jobs", device=device)
        run.launch()
        return run

    return made


@pytest.mark.parametrize("how", ["lost", "broken"])
def test_the_queue_goes_on_without_a_device_that_is_gone(machine, begun, runs, how):
    bad, good = begun("fails_on_its_device", "cuda:0"), begun("until_stopped", "cuda:1")
    for each in (bad, good):
        saw(each, "step")
    anywhere, there = begun("until_stopped", "auto"), begun("until_stopped", "cuda:0")
    saw(anywhere, "waiting")
    saw(there, "waiting")
    (machine / how).write_text("cuda:0")
    (bad.path / "fail").touch()
    state = bad.wait(DEADLINE)
    assert state.state == "failed"
    assert state.error["what"] == "cuda:0 has failed: CUDA error: unspecified launch failure"
    # Who would have taken any waits for the one that is left, still the first of all.
    saw(anywhere, "log", text="cuda:0 does not answer: waiting for cuda:1")
    saw(anywhere, "waiting", devices=["cuda:1"])
    assert Queue(runs.workspace).place(anywhere.id) == 1
    # Who wants only that one is told.
    state = there.wait(DEADLINE)
    assert (state.state, state.place) == ("failed", None)
    assert state.error["what"] == "cuda:0 does not answer any more"
    good.stop(wait=DEADLINE)
    saw(anywhere, "step")
    assert anywhere.state().device == "cuda:1"
    assert Devices().on("cuda:0") == []


def test_a_device_that_answers_again_is_taken_again(machine, begun):
    bad = begun("fails_on_its_device", "cuda:0")
    (bad.path / "fail").touch()
    assert bad.wait(DEADLINE).state == "failed"
    assert Devices().blamed("cuda:0")
    run = begun("until_stopped", "cuda:0")
    saw(run, "step")
    assert run.state().device == "cuda:0"
    assert not Devices().blamed("cuda:0")


def test_a_device_that_hangs_does_not_answer(machine, monkeypatch):
    assert failure.answers("cuda:0")
    content = "import threading\ndef ones(*_, **__): threading.Event().wait()\n"
    (machine / "torch" / "__init__.py").write_text(content)
    monkeypatch.setattr(failure, "ANSWERS_WITHIN", 1.0)
    assert not failure.answers("cuda:0")
