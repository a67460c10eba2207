"""The most memory that work on ten million rows takes under a limit of 1 GB, each in a process."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.data.cleaning.apply import clean
from core.data.lake.lake import Lake
from core.data.profile import profile
from core.data.quality.check import check
from core.data.sources import import_source
from core.data.splitting.split import split
from core.workspace import Workspace
from tests.benchmarks.big_clean import RECIPE
from tests.benchmarks.big_import import ROWS, make
from tests.benchmarks.measure import Result

LIMIT = "1GB"
BAR = 1_300.0
"""The limit in megabytes, and what Python and its libraries take beside the data."""


def measure() -> list[Result]:
    os.environ["LEPTON_MEMORY"] = LIMIT
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "rows.csv")
        return [
            Result(
                f"most memory: {name} {ROWS / 1e6:g} M rows", _peak(work, folder), None, "MB", BAR
            )
            for name, work in WORK.items()
        ]


def _import(lake: Lake, folder: Path) -> None:
    import_source(lake, folder / "rows.csv", "big")


def _profile(lake: Lake, _: Path) -> None:
    with lake.open("big@1") as view:
        profile(view)


def _check(lake: Lake, _: Path) -> None:
    with lake.open("big@1") as view:
        check(view)


def _split(lake: Lake, _: Path) -> None:
    split(lake, "big@1")


def _clean(lake: Lake, _: Path) -> None:
    clean(lake, "big@1", RECIPE)


WORK: dict[str, Callable[[Lake, Path], None]] = {
    "import of": _import,
    "profile of": _profile,
    "check of": _check,
    "split of": _split,
    "cleaning of": _clean,
}


def _peak(work: Callable[[Lake, Path], None], folder: str) -> float:
    """Megabytes that a process of its own had in memory at most while it worked."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_worked, (work, folder))


def _worked(work: Callable[[Lake, Path], None], folder: str) -> float:
    work(Lake(Workspace.open(Path(folder) / "home")), Path(folder))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
