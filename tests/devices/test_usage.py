"""How a device is used: the real processor, and cards behind a stand-in for the driver."""

import os
import time
from types import SimpleNamespace

import psutil
import pytest

from core.devices import usage as module
from core.devices.usage import DeviceUse, Holder, Usage, holders, usage
from core.runs.store import Runs
from core.workspace import Workspace
from tests.runs.conftest import saw


class Driver:
    """Two cards; the second one does not know its temperature."""

    NVML_TEMPERATURE_GPU = 0

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{'ab'[handle]}0000"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=80 * 10**9, free=(60 - handle) * 10**9)

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=0 if handle else 97)

    def nvmlDeviceGetTemperature(self, handle, _):  # noqa: N802
        if handle:
            raise RuntimeError
        return 64

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        if handle:
            raise RuntimeError
        outside = SimpleNamespace(pid=2**31 - 1, usedGpuMemory=5)
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=7), outside]


@pytest.fixture
def cards(monkeypatch):
    monkeypatch.setattr(module, "_nvml", Driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_card_tells_what_it_knows(cards):
    assert usage("cuda:0") == Usage(memory=80 * 10**9, free=60 * 10**9, busy=97.0, temperature=64.0)
    assert usage("cuda:1") == Usage(memory=80 * 10**9, free=59 * 10**9, busy=0.0)
    assert usage("cuda:2") == Usage()
    mine = psutil.Process()
    assert holders("cuda:0") == [
        Holder(mine.pid, mine.name(), mine.username(), 7),
        Holder(2**31 - 1, memory=5),
    ]
    assert holders("cuda:1") is None


@pytest.mark.parametrize(
    ("named", "free"),
    [("1,0", [59, 60]), ("GPU-b", [59, None]), ("0,7,1", [60, None]), ("", [None, None])],
)
def test_cards_are_counted_as_cuda_counts_those_it_may_see(cards, monkeypatch, named, free):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    told = [usage(name).free for name in ("cuda:0", "cuda:1")]
    assert told == [each and each * 10**9 for each in free]


@pytest.mark.parametrize(
    ("device", "found"),
    [
        ("cuda:0", {"device_use": 97.0, "device_memory": 20.0}),
        ("cuda:1", {"device_use": 0.0, "device_memory": 21.0}),
        ("mps:0", {}),
    ],
)
def test_a_training_looks_at_its_device_once_a_second(cards, monkeypatch, device, found):
    moments = iter([100.0, 100.5, 101.0, 101.9, 102.1])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(Driver, "nvmlDeviceGetTemperature", None)  # too slow to ask
    use = DeviceUse(device)
    assert [use() for _ in range(4)] == [{}, found, {}, found]


def test_the_use_of_the_processor_is_the_mean_since_the_last_look(monkeypatch):
    moments = iter([100.0, 101.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(moments))
    use = DeviceUse("cpu")
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    told = use()
    assert 0 < told["device_use"] <= 100
    assert 0 < told["device_memory"] < psutil.virtual_memory().total / 1e9


def test_cards_are_named_as_torch_names_them(cards, monkeypatch):
    assert module.cards() == ["cuda:0", "cuda:1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert module.cards() == ["cuda:0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-0f")
    assert module.cards() is None


def test_without_a_driver_all_is_unknown(monkeypatch):
    monkeypatch.setattr(module, "_nvml", lambda: None)
    assert usage("cuda:0") == Usage()
    assert holders("cuda:0") is None
    assert usage("mps:0") == Usage()


def test_the_processor_tells_its_memory_and_names_our_runs(tmp_path):
    now = usage("cpu")
    assert 0 < now.free < now.memory == psutil.virtual_memory().total
    run = Runs(Workspace.open(tmp_path)).create(
        "job", {"do": "until_stopped"}, entry="tests.runs.jobs"
    )
    run.launch()
    try:
        saw(run, "step")
        pid = run.state().pid
        assert [each.pid for each in holders("cpu") if each.run == run.id] == [pid]
    finally:
        run.stop()
