"""Opening the chart of a run of ten million steps, the first time and after it was read once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from textual.app import App, ComposeResult

from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace
from screens.train.follower import Follower
from screens.widgets.line_chart import LineChart
from tests.benchmarks.measure import Result, in_turns, seconds

POINTS = 10_000_000
AT_ONCE = 100_000
REPEATS = 7


class Page(App[None]):
    def compose(self) -> ComposeResult:
        yield LineChart("loss")


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        run = Runs(Workspace.open(home)).create("train", {})
        _write(run.events_path)
        first = seconds(lambda: Follower(run).advance(1e9))
        took = asyncio.run(_opened(run))
    return [
        Result(f"first read of {POINTS:,} points", first, None, "s", 120),
        Result(f"chart of {POINTS:,} points opens", took * 1e3, None, "ms", 200),
    ]


async def _opened(run: Run) -> float:
    async with Page().run_test(size=(120, 40)) as pilot:
        chart = pilot.app.query_one(LineChart)

        def open_chart() -> None:
            points = Follower(run).advance(1e9).curves["loss"]
            chart.set_series("loss", points.steps, points.mean, (points.low, points.high))
            chart.on_resize()
            for row in range(chart.size.height):
                chart.render_line(row)

        (took,) = in_turns(REPEATS, lambda: seconds(open_chart))
    return took


def _write(log: Path) -> None:
    with log.open("wb") as file:
        file.write(b'{"time":0.0,"event":"state","state":"running","pid":1}\n')
        for start in range(0, POINTS, AT_ONCE):
            file.write(
                b"".join(
                    b'{"time":%d.0,"event":"step","step":%d,"epoch":1,"loss":%.6f}\n'
                    % (step, step, 1 / (1 + step / 1e6) + (step * 7919 % 1000) / 1e4)
                    for step in range(start + 1, start + AT_ONCE + 1)
                )
            )
