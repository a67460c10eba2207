"""What it costs a training to record one step: an event appended to the log of its run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from core.runs.events import EventWriter
from tests.benchmarks.measure import Result, in_turns, seconds

EVENTS = 20_000
REPEATS = 5


def measure() -> list[Result]:
    (took,) = in_turns(REPEATS, _record)
    return [Result("a metric record", 1e6 * took / EVENTS, None, "µs", 10.0)]


def _record() -> float:
    with tempfile.TemporaryDirectory() as folder, EventWriter(Path(folder) / "events") as events:

        def record() -> None:
            for step in range(EVENTS):
                events.write(
                    "step",
                    step=step,
                    epoch=1 + step // 1000,
                    loss=1.0 / (1 + step),
                    lr=1e-3,
                    grad_norm=0.5,
                    examples_per_second=12_345.6,
                )

        return seconds(record)
