"""Devices by name, and threads that suit the machine."""

import os
import subprocess
import sys

import pytest
import torch

from core.devices import facts as devices
from core.errors import UsageError


def test_the_processor_is_always_there_and_auto_takes_the_best():
    found = devices.devices()
    assert found[-1].name == "cpu"
    assert found[-1].memory > 0
    assert devices.resolve("cpu") == torch.device("cpu")
    assert devices.resolve("auto") == torch.device(found[0].name)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(UsageError, match='no device "cuda:99"') as caught:
        devices.resolve("cuda:99")
    assert "cpu" in caught.value.hint


def test_threads_are_those_asked_for_or_the_cores_allowed(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert devices.choose_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= devices.choose_threads() <= min(os.cpu_count(), devices.MOST_THREADS)
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: set(range(40)), raising=False)
    monkeypatch.setattr(devices.psutil, "cpu_count", lambda logical: 40)
    monkeypatch.setattr(devices, "_quota", lambda: 2)
    assert devices.choose_threads() == 2
    monkeypatch.setattr(devices, "_quota", lambda: None)
    assert devices.choose_threads() == devices.MOST_THREADS


def test_the_listing_is_made_without_torch_in_this_process():
    program = (
        "import sys; from core.devices.facts import listing; found = listing();"
        "print('torch' in sys.modules, found[-1].name, found[-1].usage.free > 0)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.split() == ["False", "cpu", "True"], told.stderr
