"""A second run on 60,000 pictures: from its settings to its first batch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.training.config import TrainConfig
from core.training.feed import compiled
from core.training.setup import decide
from core.workspace import Workspace
from tests.benchmarks.measure import Result, seconds
from tests.benchmarks.picture_files import FILES, make

REPEATS = 5
BAR = 2.0


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        make(pictures)
        workspace = Workspace.open(Path(folder) / "home")
        import_source(Lake(workspace), pictures, "pictures", target="label")
        first = seconds(lambda: _start(workspace))
        again = median(seconds(lambda: _start(workspace)) for _ in range(REPEATS))
    name = f"start on {FILES:,} pictures"
    return [
        Result(f"second {name}", again, None, "s", BAR),
        Result(f"second {name} / the first", again, first, "s", 0.1),
    ]


def _start(workspace: Workspace) -> None:
    """What the worker does between its settings and its first step, without making the model."""
    config = TrainConfig("pictures", target="label", model="cnn")
    setup = decide(workspace, config, device="cpu", precision="fp32", threads=1)
    with Lake(workspace).open(setup.version) as view:
        splits = [compiled(workspace, view, setup.task, name) for name in ("train", "validation")]
    next(splits[0].epoch(0, 0, 128, window=splits[0].window_rows()))
