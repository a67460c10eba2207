"""The evaluation of 10,000 pictures, with its intervals; and the bare forward passes over them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from core.data.lake.lake import Lake
from core.data.png import encode_png
from core.evaluation.evaluate import evaluate_model
from core.inference.examples import as_tensors, run
from core.models.folder import load_module
from core.models.registry import ModelFolder, Models, task_of
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.store import Runs
from core.training import worker
from core.workspace import Workspace
from tests.benchmarks.measure import Result, in_turns, seconds

PICTURES = int(os.environ.get("LEPTON_BENCH_PICTURES", "10_000"))
SIDE, CLASSES, BATCH = 28, 10, 256
REPEATS = 3


def measure() -> list[Result]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        _make(workspace)
        model = _train(workspace)
        forward = _forward(model, workspace)
        ours, bare = in_turns(
            REPEATS,
            lambda: seconds(
                lambda: evaluate_model(workspace, model.ref, "pictures", "test", device="cpu")
            ),
            lambda: seconds(forward),
        )
    return [Result(f"evaluation of {PICTURES:,} pictures / forward", ours, bare, "s", 1.2)]


def _make(workspace: Workspace) -> None:
    """Pictures like handwritten digits: a bright stroke, elsewhere for each class."""
    chance = np.random.default_rng(0)
    rows = PICTURES + 512
    label = np.arange(rows) % CLASSES
    pixels = chance.integers(0, 90, (rows, SIDE, SIDE)).astype(np.uint8)
    for at in range(rows):
        pixels[at, 2 * label[at] + 2 : 2 * label[at] + 5, 6:22] += 120
    table = pa.table(
        {
            "image": [encode_png(each) for each in pixels],
            "label": [str(each) for each in label],
            "split": ["test"] * PICTURES + ["train"] * 256 + ["validation"] * 256,
        }
    )
    Lake(workspace).commit("pictures", table, op="import", media={"image": "image"}, target="label")


def _train(workspace: Workspace) -> ModelFolder:
    spec = {"dataset": "pictures", "model": "cnn", "epochs": 1, "device": "cpu", "threads": 1}
    made = Runs(workspace).create("train", spec)
    with EventWriter(made.events_path) as events:
        worker.run(Job(made, events))
    return Models(workspace).get("pictures_cnn")


def _forward(folder: ModelFolder, workspace: Workspace) -> Any:
    """A loop over batches that are in memory and decoded already."""
    task, module = task_of(folder), load_module(folder, torch.device("cpu")).eval()
    module.to(memory_format=torch.channels_last)
    with Lake(workspace).open("pictures") as view:
        read = task.examples(task.read(view, "test", BATCH))
        examples = [{n: e for n, e in as_tensors(each).items() if n == "image"} for each in read]

    def forward() -> None:
        with torch.inference_mode():
            for each in examples:
                for start in range(0, len(each["image"]), BATCH):
                    stop = min(start + BATCH, len(each["image"]))
                    _call(module, task.inputs(run(each, start, stop)))

    return forward


def _call(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    made: torch.Tensor = module(*inputs)
    return made
