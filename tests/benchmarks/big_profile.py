"""Looking at ten million rows: a profile, and a page anywhere in them."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from statistics import median

from core.data.lake.lake import Lake
from core.data.profile import profile
from core.data.sources import import_source
from core.data.sql.selection import Selection
from core.workspace import Workspace
from tests.benchmarks.big_import import ROWS, make
from tests.benchmarks.measure import Result, in_turns, seconds

REPEATS = 2
PAGES = 20
PAGE_ROWS = 50
PAGE_BAR = 50.0


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.csv"
        make(source)
        lake = Lake(Workspace.open(Path(folder) / "home"))
        import_source(lake, source, "big")
        source.unlink()
        with lake.open("big") as view:
            summary = f"SUMMARIZE SELECT * FROM ({view.query()})"
            ours, theirs = in_turns(
                REPEATS,
                lambda: seconds(lambda: profile(view)),
                lambda: seconds(lambda: view.sql(summary)),
            )
        whole, sorted_ = _pages(lake, ()), _pages(lake, (("a", True),))
    name = f"{ROWS / 1e6:g} M rows"
    return [
        Result(f"profile of {name} / SUMMARIZE", ours, theirs, "s", 1.0),
        Result(f"a page of {PAGE_ROWS} in {name}", whole, None, "ms", PAGE_BAR),
        Result(f"a page of {PAGE_ROWS} in {name}, sorted", sorted_, None, "ms", PAGE_BAR),
    ]


def _pages(lake: Lake, sort: tuple[tuple[str, bool], ...]) -> float:
    """The median time of a page at places by chance, once the order is known."""
    places = random.Random(1)
    with Selection(lake, "big", sort=sort) as selection:
        rows = selection.find()
        selection.page(0, PAGE_ROWS)
        times = [
            seconds(lambda: selection.page(places.randrange(rows - PAGE_ROWS), PAGE_ROWS))
            for _ in range(PAGES)
        ]
    return median(times) * 1e3
