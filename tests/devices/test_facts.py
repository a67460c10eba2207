"""Devices by name, and threads that suit the machine."""

import os
import subprocess
import sys
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", []),
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", ["cuda:0"]),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", None),
        (None, None),
    ],
)
def test_accelerators_are_known_without_torch_where_its_build_tells(
    tmp_path, monkeypatch, told, found
):
    if told is not None:
        (tmp_path / "version.py").write_text(told)
    torch_here = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(devices, "find_spec", lambda _: torch_here)
    monkeypatch.setattr(devices, "cards", lambda: ["cuda:0"])
    assert devices.accelerators() == found


def test_torch_itself_agrees_with_what_is_known_without_it():
    known = devices.accelerators()
    assert known is None or known == devices.ask_torch()
