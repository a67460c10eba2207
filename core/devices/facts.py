"""The devices a model can run on, and how many processor threads suit this machine."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from core.devices import AS_LISTED
from core.devices.usage import Holder, Usage, cards, holders, usage
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import torch

MOST_THREADS = 16


@dataclass(frozen=True)
class Device:
    """One device: its torch name ("cpu", "cuda:0"), what it is, and its memory in bytes."""

    name: str
    label: str
    memory: int


@dataclass(frozen=True)
class Listed:
    """A device with how it is used; `holders` is None where nobody can tell who is on it."""

    name: str
    label: str
    usage: Usage
    holders: list[Holder] | None

    def to_json(self) -> dict[str, Any]:
        """The keys of `lepton devices --json`."""
        told = asdict(self)
        return {"name": told.pop("name"), "label": told.pop("label"), **told.pop("usage"), **told}


def devices() -> list[Device]:
    """The devices of this machine, the best one first; CUDA's name stands for ROCm's too."""
    import torch

    found: list[Device] = []
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        found = [_accelerator(kind.type, at) for at in range(torch.accelerator.device_count())]
    return [*found, Device("cpu", _processor(), int(psutil.virtual_memory().total)), *_tpus()]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerator(kind: str, index: int) -> Device:
    import torch

    name = f"{kind}:{index}"
    if kind == "mps":
        return Device(name, "Apple GPU", int(torch.mps.recommended_max_memory()))
    with suppress(AttributeError, RuntimeError):
        facts = torch.get_device_module(kind).get_device_properties(index)
        return Device(name, facts.name, int(facts.total_memory))
    return Device(name, kind.upper(), 0)


def _tpus() -> list[Device]:
    """Google's, through torch_xla; they stand last, so only who names one trains on it."""
    if find_spec("torch_xla") is None:
        return []
    try:
        from torch_xla.core import xla_model

        names = xla_model.get_xla_supported_devices("TPU") or []
    except Exception:  # it is installed, and there is no TPU, or its driver does not answer
        return []
    return [Device(name, "TPU", 0) for name in names]


def accelerators() -> list[str] | None:
    """The accelerators as torch names them, told without loading it; None: only it can tell."""
    built = _built_for()
    if built == {"cuda"}:
        return cards()
    return None if built is None or built or sys.platform == "darwin" else []


def ask_torch() -> list[str]:
    """The accelerators, from a torch in another process: that takes seconds.

    Raises:
        LeptonError: torch does not load.
    """
    names = [device.name for device, _ in _told_by_torch()]
    return [name for name in names if name != "cpu" and not name.startswith("xla")]


def _built_for() -> set[str] | None:
    """The kinds of accelerators that the installed torch was built for; None: it does not say."""
    found = find_spec("torch")
    try:
        told = Path(str(found and found.origin)).with_name("version.py").read_text()
    except OSError:
        return None
    return set(re.findall(r"^(cuda|hip|xpu)\b[^=]*= *['\"]", told, re.MULTILINE))


def listing() -> list[Listed]:
    """The devices with how they are used. Torch is asked in a process of its own.

    So the app never loads it, and a broken one breaks nobody else.

    Raises:
        LeptonError: torch does not load.
    """
    return [_listed(device, free) for device, free in _told_by_torch("free")]


def _told_by_torch(*asked_for: str) -> list[tuple[Device, int | None]]:
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "core.devices.facts", *asked_for],
        env={**AS_LISTED, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        last = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LeptonError(
            f"torch does not load: {last}", hint="Install it again: pip install torch"
        )
    found = json.loads(asked.stdout.splitlines()[-1])
    return [(Device(**each), free) for each, free in found]


def _listed(device: Device, free: int | None) -> Listed:
    """The driver knows best; what it does not tell is what torch told."""
    now = usage(device.name, over=0.1)
    if now.memory is None and device.memory:
        now = replace(now, memory=device.memory, free=free)
    return Listed(device.name, device.label, now, holders(device.name))


def _free(device: Device) -> int | None:
    """The free memory as torch tells it, asked only where nobody else can: it starts the device."""
    if not device.memory or usage(device.name).free is not None:
        return None
    import torch

    with suppress(AttributeError, RuntimeError):
        return int(torch.accelerator.get_memory_info(device.name)[0])
    return None


def resolve(name: str) -> torch.device:
    """The torch device for "auto" (the best there is), "cpu", "cuda" or "cuda:1".

    Raises:
        UsageError: this machine has no such device.
    """
    import torch

    known = [device.name for device in devices()]
    if name == "auto":
        return torch.device(known[0])
    for candidate in (name, f"{name}:0"):
        if candidate in known:
            return torch.device(candidate)
    raise UsageError(f'this machine has no device "{name}"', hint=nearest(name, ["auto", *known]))


def precision_on(name: str, device: torch.device) -> str:
    """The precision for "auto": bf16 on a GPU that has it, fp32 elsewhere.

    Raises:
        UsageError: fp16 is asked for where there is no GPU.
    """
    if name == "fp16" and device.type != "cuda":
        raise UsageError(
            f"fp16 needs a GPU, and this is {device.type}", hint="Use precision=bf16, or auto."
        )
    if name != "auto":
        return name
    import torch

    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16" if bf16 else "fp32"


def choose_threads() -> int:
    """Threads for one training process: the physical cores this process may use.

    `OMP_NUM_THREADS` decides when it is set; a container's processor quota is obeyed, because torch
    looks at the whole machine and would start a thread for each of its cores.
    """
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = min(allowed or 1, psutil.cpu_count(logical=False) or 1, _quota() or MOST_THREADS)
    return max(1, min(cores, MOST_THREADS))


def _quota() -> int | None:
    """The cores a Linux control group grants, rounded up; None when it sets no limit."""
    with suppress(OSError, ValueError):
        granted, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return -(-int(granted) // int(period))
    return None


if __name__ == "__main__":
    told = [(asdict(each), _free(each) if "free" in sys.argv else None) for each in devices()]
    # The last line of the output, below what drivers may print; `_told_by_torch` reads it.
    print(json.dumps(told))  # noqa: T201
