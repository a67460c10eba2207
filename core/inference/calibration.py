"""How many rows at once, and on how many threads, a model answers quickest on this machine.

Batching is not speed by itself: on a processor it makes an MLP six times quicker and a small CNN
slower. So it is measured, once for a model and a machine, and kept beside the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.atomic import write_json
from core.devices.facts import choose_threads, devices
from core.devices.timing import quickest
from core.inference.examples import Batch, Examples, take
from core.inference.forward import to_device
from core.tasks.base import Task

FILE = "calibration.json"
FORMAT = 1
MOST_ROWS = 256
SECONDS = 0.5
"""What the whole calibration may take, or little more."""
CELL_SECONDS = 0.02
GOOD_ENOUGH = 0.95
"""A smaller batch that reaches this much of the best rate is better: nobody waits as long."""
WORTH_THREADS = 1.5
"""More threads must be so much quicker: beside other work they are much slower (25 times)."""


@dataclass(frozen=True)
class Calibration:
    """Rows in a batch, processor threads, and the rates, rows a second, that they were chosen by.

    `rates` are by threads and rows.
    """

    rows: int
    threads: int
    rates: Mapping[tuple[int, int], float]

    def to_json(self) -> dict[str, Any]:
        rates = [[threads, rows, rate] for (threads, rows), rate in self.rates.items()]
        return {"rows": self.rows, "threads": self.threads, "rates": rates}


def load(folder: Path, device: torch.device) -> Calibration | None:
    """What was measured for this model on this machine, if that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads((folder / FILE).read_text())
        if told["format"] == FORMAT and told["machine"] == _machine(device):
            rates = {(int(t), int(n)): float(rate) for t, n, rate in told["rates"]}
            return Calibration(max(1, int(told["rows"])), max(1, int(told["threads"])), rates)
    return None


def save(folder: Path, device: torch.device, found: Calibration) -> None:
    """Keep it beside the model; a folder that cannot be written to goes without."""
    with suppress(OSError):
        write_json(
            folder / FILE, {"format": FORMAT, "machine": _machine(device), **found.to_json()}
        )


def measure(
    module: nn.Module, task: Task, example: Examples, device: torch.device, threads: int | None
) -> Calibration:
    """Time the model on copies of one example; `threads` says how many, None: find out."""
    rates: dict[tuple[int, int], float] = {}
    end = time.perf_counter() + SECONDS
    before = torch.get_num_threads()
    try:
        for count in [threads] if threads else _thread_counts(device):
            torch.set_num_threads(count)
            rows = 1
            while rows <= min(MOST_ROWS, task.at_once) and time.perf_counter() < end:
                batch = to_device(take(example, torch.zeros(rows, dtype=torch.int64)), device)
                left = min(CELL_SECONDS, end - time.perf_counter())
                rates[count, rows] = rows / quickest(partial(_answer, module, task, batch), left)
                rows *= 2
    finally:
        torch.set_num_threads(before)
    return choose(rates)


def choose(rates: Mapping[tuple[int, int], float]) -> Calibration:
    """The smallest batch that is about as quick as the quickest, on few threads where they do."""
    best = {
        count: max(rate for (of, _), rate in rates.items() if of == count)
        for count in sorted({count for count, _ in rates})
    }
    threads = next(iter(best))
    for count, rate in best.items():
        if rate > WORTH_THREADS * best[threads]:
            threads = count
    rows = min(
        rows
        for (count, rows), rate in rates.items()
        if count == threads and rate >= GOOD_ENOUGH * best[threads]
    )
    return Calibration(rows, threads, rates)


def _answer(module: nn.Module, task: Task, batch: Batch) -> None:
    with torch.inference_mode():
        # Brought here, or a GPU would only have been told what to do.
        task.solve(module, batch).cpu()


def _thread_counts(device: torch.device) -> list[int]:
    return sorted({1, choose_threads()}) if device.type == "cpu" else [1]


def _machine(device: torch.device) -> str:
    """What another result would be had on."""
    label = next((each.label for each in devices() if each.name == str(device)), str(device))
    return f"{label}, {_thread_counts(device)[-1]} threads, torch {torch.__version__}"
