"""From a key to its answer on the screen, while a run takes every core and records events."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence

import numpy as np

from core.runs.store import Runs
from core.workspace import Workspace
from tests.app.terminal import lepton
from tests.benchmarks.measure import Result
from tests.benchmarks.pty_process import PtyProcess

# A key, and bytes that only its answer writes: a live chart never draws them by itself.
Press = tuple[str, bytes | None]
ON_SCREEN: tuple[Press, ...] = (
    ("l", b"log"),
    ("l", None),  # its answer, the linear chart, cannot be told from a live one
    ("m", b"smoothed"),
    ("m", None),
    ("?", b"esc closes"),
    ("?", b"Lepton"),
    ("y", b"lepton runs attach"),
    ("y", b"Lepton"),
)
MODES: tuple[Press, ...] = (("6", b"6 Models"), ("3", b"3 Train"))
WARM, CYCLES = 2, 20


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        runs = Runs(Workspace.open(home))
        busy = runs.create("train", {}, dataset="busy@1", entry="tests.benchmarks.busy_run")
        busy.launch()
        try:
            with PtyProcess(lepton(), home) as app:
                app.seen(b"palette")
                app.send("3")
                app.seen(b"Stop")
                keys, modes = _percentile(app, ON_SCREEN), _percentile(app, MODES)
        finally:
            busy.stop(wait=30)
    return [
        Result("key press on a live run, 95th percentile", keys, None, "ms", 50),
        Result("key to another mode, 95th percentile", modes, None, "ms", 50),
    ]


def _percentile(app: PtyProcess, cycle: Sequence[Press]) -> float:
    """The 95th percentile of the answers to each key that has a mark, in ms."""
    draw = random.Random(0)
    times = []
    for number in range(WARM + CYCLES):
        for key, mark in cycle:
            app.drain(draw.uniform(0.1, 0.4))
            pressed = app.send(key)
            if mark is not None:
                took = app.seen(mark) - pressed
                if number >= WARM:
                    times.append(took * 1e3)
    return float(np.percentile(times, 95))
