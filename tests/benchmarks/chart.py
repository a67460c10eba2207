"""A chart of a million points, drawn by the widget that the Train screen uses."""

from __future__ import annotations

import asyncio

import numpy as np
from textual.app import App, ComposeResult

from screens.widgets.line_chart import LineChart
from tests.benchmarks.measure import Result, in_turns, seconds

POINTS = 1_000_000
REPEATS = 15


class Page(App[None]):
    def compose(self) -> ComposeResult:
        yield LineChart("loss")


def measure() -> list[Result]:
    return asyncio.run(_measure())


async def _measure() -> list[Result]:
    x = np.arange(POINTS, dtype=np.float64)
    y = np.exp(-x / POINTS) + np.random.default_rng(0).normal(0, 0.1, POINTS)
    async with Page().run_test(size=(120, 40)) as pilot:
        chart = pilot.app.query_one(LineChart)
        chart.set_series("train/loss", x, y)
        await pilot.pause()

        def draw() -> float:
            chart.append("train/loss", len(x) + next(more), 0.5)
            chart.refresh()
            chart.on_resize()
            return seconds(lambda: [chart.render_line(row) for row in range(chart.size.height)])

        more = iter(range(REPEATS + 1))
        (took,) = in_turns(REPEATS, draw)
    return [Result("chart of 1,000,000 points", took * 1e3, None, "ms", 20)]
