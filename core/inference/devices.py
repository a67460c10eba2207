"""The devices a model can run on, and how many processor threads suit this machine."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from core.errors import UsageError, nearest

MOST_THREADS = 16


@dataclass(frozen=True)
class Device:
    """One device: its torch name ("cpu", "cuda:0"), what it is, and its memory in bytes."""

    name: str
    label: str
    memory: int


def devices() -> list[Device]:
    """The devices of this machine, the best one first."""
    found = []
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        for index in range(torch.accelerator.device_count()):
            if kind.type == "cuda":
                facts = torch.cuda.get_device_properties(index)
                found.append(Device(f"cuda:{index}", facts.name, int(facts.total_memory)))
            else:
                found.append(Device(f"{kind.type}:{index}", kind.type.upper(), 0))
    label = platform.processor() or platform.machine()
    return [*found, Device("cpu", label, int(psutil.virtual_memory().total))]


def resolve(name: str) -> torch.device:
    """The torch device for "auto" (the best there is), "cpu", "cuda" or "cuda:1".

    Raises:
        UsageError: this machine has no such device.
    """
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
