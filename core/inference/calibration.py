"""How many rows at once, and on how many threads, a model answers quickest on this machine.

Batching is not speed by itself: on a processor it makes an MLP six times quicker and a small CNN
slower. So it is measured, once for a model and a machine, and kept beside the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from core.atomic import write_json
from core.devices.facts import choose_threads, devices
from core.inference import threads as ending
from core.models.graph import Graph

FORMAT = 2
MOST_ROWS = 512
SECONDS = 1.5
"""What the whole calibration may take, or little more than the model's slowest calls."""
FIRST_SECONDS = 1.0
"""What of them the first try of each may take."""
HOPEFUL = 0.6
"""What is at first slower than this much of the best is not tried again."""
GOOD_ENOUGH = 0.95
"""A smaller batch that reaches this much of the best rate is better: nobody waits as long."""
WORTH_THREADS = 1.1
"""More threads must be so much quicker, for they are taken from others."""
BUSY = 0.1
"""What others used so much of the processors meanwhile is measured again another time."""
AGAIN_SECONDS = 10.0
"""Of so long the processors must have been free before that."""


@dataclass(frozen=True)
class Calibration:
    """Rows in a batch, and the rates, rows a second, by threads and rows, that say so.

    `lasting` is what nobody else's work was in the way of.
    """

    rows: int
    rates: Mapping[tuple[int, int], float]
    lasting: bool = True

    def threads(self, rows: int) -> int:
        """Processor threads for a batch of so many rows."""
        sizes = {size for _, size in self.rates}
        size = min((size for size in sizes if size >= rows), default=max(sizes))
        return _threads({of: rate for (of, each), rate in self.rates.items() if each == size})

    def to_json(self) -> dict[str, Any]:
        rates = [[threads, rows, rate] for (threads, rows), rate in self.rates.items()]
        return {"rows": self.rows, "rates": rates}


def file_of(folder: Path, module: nn.Module) -> Path:
    """Where it is kept of a model; torch and ONNX Runtime have one each."""
    return folder / ("calibration-onnx.json" if isinstance(module, Graph) else "calibration.json")


def load(file: Path, device: torch.device) -> Calibration | None:
    """What was measured for this model on this machine, if that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(file.read_text())
        if told["format"] == FORMAT and told["machine"] == _machine(device):
            rates = {(int(t), int(n)): float(rate) for t, n, rate in told["rates"]}
            return choose(rates)
    return None


def save(file: Path, device: torch.device, found: Calibration) -> None:
    """Keep it beside the model; a folder that cannot be written to goes without."""
    with suppress(OSError):
        write_json(file, {"format": FORMAT, "machine": _machine(device), **found.to_json()})


def measure(
    answer: Callable[[int], object], most: int, device: torch.device, threads: int | None
) -> Calibration | None:
    """Time `answer`, which answers so many rows from the first step to the last; `most` at once.

    `threads` says how many, None: find out. None is known if it fails with one row already.
    """
    timed = _Timed(answer)
    counts = [threads] if threads else _thread_counts(device)
    others = Others()
    began = time.perf_counter()
    before = torch.get_num_threads()
    try:
        for at, count in enumerate(counts, 1):
            rows, until = 1, began + FIRST_SECONDS * at / len(counts)
            while timed.take(count, rows) < until and 2 * rows <= min(MOST_ROWS, most):
                rows *= 2
        # Whatever else the machine does comes and goes, so each is tried at several moments.
        while timed.take_hopeful(began + SECONDS) < began + SECONDS:
            pass
    finally:
        torch.set_num_threads(before)
    if not timed.rates or ending.leaving():
        return None
    return replace(choose(timed.rates), lasting=others.share() < BUSY)


class Others:
    """What other processes use of the processors, since this was made."""

    def __init__(self) -> None:
        self._made = time.monotonic()
        self._idle, self._whole, self._own = self._now()

    @property
    def seconds(self) -> float:
        """How long ago that was."""
        return time.monotonic() - self._made

    def share(self) -> float:
        idle, whole, own = self._now()
        passed = whole - self._whole
        others = passed - (idle - self._idle) - (own - self._own)
        return others / passed if passed > 0 else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times, own = psutil.cpu_times(), time.process_time()
        return times.idle + getattr(times, "iowait", 0.0), sum(times[:8]), own


class _Timed:
    """The best rate so far, rows a second, by threads and rows in a batch; of those that have
    failed, for which there was no memory say, there is none."""

    def __init__(self, answer: Callable[[int], object]) -> None:
        self.rates: dict[tuple[int, int], float] = {}
        self._answer = answer

    def take(self, threads: int, rows: int) -> float:
        """Time one call; tells when it ended, and never where the process ends meanwhile."""
        if ending.leaving():
            return float("inf")
        torch.set_num_threads(threads)
        began = time.perf_counter()
        try:
            self._answer(rows)
        except Exception:
            self.rates.pop((threads, rows), None)
            return float("inf")
        now = time.perf_counter()
        rate = rows / (now - began)
        self.rates[threads, rows] = max(rate, self.rates.get((threads, rows), 0.0))
        return now

    def take_hopeful(self, end: float) -> float:
        """Time once more what may be the best, until `end`; tells when that was done, and never
        where there is nothing."""
        if not self.rates:
            return float("inf")
        best = max(self.rates.values())
        now = time.perf_counter()
        for cell in [cell for cell, rate in self.rates.items() if rate >= HOPEFUL * best]:
            if now < end:
                now = self.take(*cell)
        return now


def choose(rates: Mapping[tuple[int, int], float]) -> Calibration:
    """The smallest batch that is about as quick as the quickest, on few threads where they do."""
    threads = _threads(
        {count: max(rate for (of, _), rate in rates.items() if of == count) for count, _ in rates}
    )
    mine = {rows: rate for (count, rows), rate in rates.items() if count == threads}
    best = max(mine.values())
    return Calibration(min(n for n, rate in mine.items() if rate >= GOOD_ENOUGH * best), rates)


def _threads(best: Mapping[int, float]) -> int:
    """As few as do, by the rates that each number of them reaches."""
    threads = min(best)
    for count in sorted(best):
        if best[count] > WORTH_THREADS * best[threads]:
            threads = count
    return threads


def _thread_counts(device: torch.device) -> list[int]:
    return sorted({1, choose_threads()}) if device.type == "cpu" else [1]


def _machine(device: torch.device) -> str:
    """What another result would be had on."""
    label = next((each.label for each in devices() if each.name == str(device)), str(device))
    return f"{label}, {_thread_counts(device)[-1]} threads, torch {torch.__version__}"
