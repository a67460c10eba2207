"""How full, how busy and how warm a device is, and who is on it: NVML and psutil, never torch.

NVML is an optional extra (`gpu`); where it or the card's driver is missing, what it would tell is
unknown (None) and nothing fails.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

WORKER = "core.runs.worker"
LOOK_SECONDS = 1.0
_PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")


@dataclass(frozen=True)
class Usage:
    """A device as it is now: memory in bytes, `busy` in percent, `temperature` in °C."""

    memory: int | None = None
    free: int | None = None
    busy: float | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Holder:
    """A process on a device. `run` is its id where the process is one of ours; memory in bytes.

    In a container the driver may tell the host's process ids: `name` and `user` are then None.
    """

    pid: int
    name: str | None = None
    user: str | None = None
    memory: int | None = None
    run: str | None = None


def usage(device: str, *, over: float | None = None, temperature: bool = True) -> Usage:
    """What a device named as torch names it ("cpu", "cuda:0") does; the device is not waited for.

    The processor's `busy` is the mean since the last call, or over `over` seconds from now. Its
    temperature may take milliseconds to read; without `temperature` it is not asked.
    """
    if device == "cpu":
        memory = psutil.virtual_memory()
        return Usage(
            memory=int(memory.total),
            free=int(memory.available),
            busy=psutil.cpu_percent(over),
            temperature=_processor_temperature() if temperature else None,
        )
    card = _card(device)
    if card is None:
        return Usage()
    nvml, handle = card
    memory = _asked(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    rates = _asked(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    return Usage(
        memory=memory and int(memory.total),
        free=memory and int(memory.free),
        busy=rates and float(rates.gpu),
        temperature=_asked(
            lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        )
        if temperature
        else None,
    )


def cards() -> list[str] | None:
    """The NVIDIA cards this process may see, as torch names them; None where nobody can tell."""
    nvml = _nvml()
    if nvml is None:
        there = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()
        return None if there or not sys.platform.startswith("linux") else []
    if "MIG" in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return None
    # One that the driver has lost has no handle; the others keep their numbers.
    return [f"cuda:{at}" for at, card in enumerate(_visible(nvml)) if card is not None]


class DeviceUse:
    """How a training's device is used, for its records: a look a second at most.

    One that is called more often returns nothing in between, as it does where nothing is known.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._looked_at = time.monotonic()
        usage(device, temperature=False)  # opens the driver, and the processor's mean begins here

    def __call__(self) -> dict[str, float]:
        """`device_use` in percent and `device_memory` in GB (10^9 bytes), of all who are on it."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return {}
        self._looked_at = now
        told = usage(self._device, temperature=False)
        found: dict[str, float] = {}
        if told.busy is not None:
            found["device_use"] = told.busy
        if told.memory is not None and told.free is not None:
            found["device_memory"] = round((told.memory - told.free) / 1e9, 3)
        return found


def holders(device: str) -> list[Holder] | None:
    """Who is on a device; None where nobody can tell. On the processor only our runs are named."""
    if device == "cpu":
        processes = psutil.process_iter(["cmdline", "memory_info"])
        return [
            _holder(each.pid, each.info["memory_info"] and int(each.info["memory_info"].rss))
            for each in processes
            if WORKER in (each.info["cmdline"] or ())
        ]
    card = _card(device)
    if card is None:
        return None
    nvml, handle = card
    found = _asked(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    return None if found is None else [_holder(each.pid, each.usedGpuMemory) for each in found]


def _holder(pid: int, memory: int | None) -> Holder:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return Holder(pid, process.name(), process.username(), memory, _run(process))
    return Holder(pid, memory=memory)


def _run(process: psutil.Process) -> str | None:
    """The run a process works for: its own, or that of the worker that started it."""
    for each in (process, *process.parents()):
        with suppress(psutil.Error):
            words = each.cmdline()
            if WORKER in words:
                return Path(words[-1]).name
    return None


@cache
def _nvml() -> Any:
    """The driver's own library, opened once; None where there is none."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the package, the library and the driver may each be missing or not fit
        return None
    return pynvml


def _card(device: str) -> tuple[Any, Any] | None:
    """NVML and its handle of "cuda:1", which is the second of those this process may see."""
    kind, _, index = device.partition(":")
    nvml = _nvml() if kind == "cuda" else None
    if nvml is None:
        return None
    seen = [*_visible(nvml)]
    at = int(index or 0)
    return (nvml, seen[at]) if at < len(seen) else None


def _visible(nvml: Any) -> Iterator[Any]:
    """The cards in the order CUDA counts them; as in CUDA, the first unknown one ends the list."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = _asked(nvml.nvmlDeviceGetCount) or 0
    every = [_asked(partial(nvml.nvmlDeviceGetHandleByIndex, at)) for at in range(count)]
    if named is None:
        yield from every
        return
    for word in map(str.strip, named.split(",")):
        if word.isdigit() and int(word) < count:
            yield every[int(word)]
            continue
        fit = [h for h in every if word.startswith("GPU-") and _uuid(nvml, h).startswith(word)]
        if len(fit) != 1:
            return
        yield fit[0]


def _uuid(nvml: Any, handle: Any) -> str:
    told = _asked(lambda: nvml.nvmlDeviceGetUUID(handle)) or ""
    return told.decode() if isinstance(told, bytes) else str(told)


def _asked(question: Callable[[], T]) -> T | None:
    """An answer of the driver; None where this card or this driver does not know it."""
    try:
        return question()
    except Exception:  # NVML's errors have no base that covers a driver of another version
        return None


def _processor_temperature() -> float | None:
    sensors: dict[str, Any] = getattr(psutil, "sensors_temperatures", dict)()
    for name in _PROCESSOR_SENSORS:
        if sensors.get(name):
            return float(sensors[name][0].current)
    return None
