"""From a key to its answer on the screen, while a run takes every core and records events."""

from __future__ import annotations

import random
import tempfile

import numpy as np

from core.runs.store import Runs
from core.workspace import Workspace
from tests.app.terminal import lepton
from tests.benchmarks.measure import Result
from tests.benchmarks.pty_process import PtyProcess

# A key, and bytes that only its answer writes: a live chart never draws them by itself.
CYCLE = (
    ("?", b"esc closes"),
    ("?", b"Lepton"),
    ("y", b"lepton runs attach"),
    ("y", b"Lepton"),
    ("6", b"6 Models"),
    ("3", b"3 Train"),
)
WARM, CYCLES = 2, 20


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        runs = Runs(Workspace.open(home))
        busy = runs.create("train", {}, dataset="busy@1", entry="tests.benchmarks.busy_run")
        busy.launch()
        try:
            times = _press(home)
        finally:
            busy.stop(wait=30)
    warm = np.array(times[WARM * len(CYCLE) :]) * 1e3
    return [
        Result("key press, 95th percentile", float(np.percentile(warm, 95)), None, "ms", 50),
        Result("key press, median", float(np.median(warm)), None, "ms", 50),
    ]


def _press(home: str) -> list[float]:
    draw = random.Random(0)
    times = []
    with PtyProcess(lepton(), home) as app:
        app.seen(b"palette")
        app.send("3")
        app.seen(b"Stop")
        for _ in range(WARM + CYCLES):
            for key, mark in CYCLE:
                app.drain(draw.uniform(0.1, 0.4))
                pressed = app.send(key)
                times.append(app.seen(mark) - pressed)
    return times
