"""An epoch over ten million rows in random order, from a memory-mapped file; and the same by hand.

With a memory limit of three times their size all rows are mixed; with one of their size they are
mixed a window at a time, as those of a data set that is larger than memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from core.data.lake.lake import Lake
from core.tasks import task
from core.tasks.base import Fit
from core.training.codec import learned
from core.training.feed import Split, compiled
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds

ROWS = int(os.environ.get("LEPTON_BENCH_ROWS", "10_000_000"))
NUMBERS = 20
BATCH = 1024
BYTES = 4 * (NUMBERS + 1) * ROWS
REPEATS = 3


def measure() -> list[Result]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        made = _made(workspace, limit=3 * BYTES)
        assert made.mapped
        assert not made.window_rows()
        windowed = _made(workspace, limit=BYTES)
        (numbers,) = workspace.compiled.glob("*/numbers.npy")
        x = np.load(numbers, mmap_mode="r")
        y = np.load(numbers.with_name("target.npy"), mmap_mode="r")
        window = windowed.window_rows()
        assert window
        ours, by_windows, by_hand = in_turns(
            REPEATS,
            lambda: seconds(lambda: _spent(_ours(made, 0))),
            lambda: seconds(lambda: _spent(_ours(windowed, window))),
            lambda: seconds(lambda: _spent(_by_hand(x, y))),
        )
    name = f"shuffled epoch of {ROWS / 1e6:g} M x {NUMBERS}"
    return [
        Result(f"{name} / mapped array by hand", ours, by_hand, "s", 1.1),
        Result(f"{name}, windows / the same", by_windows, by_hand, "s", 1.1),
    ]


def _made(workspace: Workspace, *, limit: int) -> Split:
    """The rows as arrays, made at the first call."""
    os.environ["LEPTON_MEMORY"] = f"{limit // 1000}KB"
    lake = Lake(workspace)
    if "rows" not in {version.dataset for version in lake.datasets()}:
        draw = np.random.default_rng(0)
        columns = {f"x{at}": draw.random(ROWS, np.float32) for at in range(NUMBERS)}
        y = pa.array(draw.random(ROWS, np.float32))
        train = pa.array(["train"]).take(pa.array(np.zeros(ROWS, np.int8)))
        lake.commit("rows", pa.table({**columns, "y": y, "split": train}), op="import")
    inputs = tuple(f"x{at}" for at in range(NUMBERS))
    with lake.open("rows") as view:
        fit = Fit("tabular-regression", inputs, "y", 1.0, "")
        kind = task("tabular-regression")
        learnt = learned(workspace, view, kind, fit, split="train", options={})
        return compiled(workspace, view, learnt, "train")


def _ours(split: Split, window: int) -> Iterator[torch.Tensor]:
    for batch in split.epoch(0, 0, BATCH, window=window):
        yield batch["numbers"]
        yield batch["target"]


def _by_hand(x: np.ndarray, y: np.ndarray) -> Iterator[torch.Tensor]:
    order = np.random.default_rng(0).permutation(len(x))
    for start in range(0, len(x), BATCH):
        index = order[start : start + BATCH]
        yield torch.from_numpy(x[index])
        yield torch.from_numpy(y[index])


def _spent(batches: Iterator[torch.Tensor]) -> float:
    """Look at every batch, so that none is only promised."""
    return sum(float(each[0].sum()) for each in batches)
