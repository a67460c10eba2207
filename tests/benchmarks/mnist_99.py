"""MNIST to 99 % of the test digits: a training of ours, and the example that comes with PyTorch.

It needs MNIST itself, 60,000 digits to learn from and 10,000 to judge by, and downloads nothing:
`LEPTON_BENCH_MNIST` names what `lepton data import` takes for it, the four original files or a
folder of pictures. Both sides read the digits out of the lake and use every core; ours counts from
the start of its process, with the digits encoded before, PyTorch's from its first epoch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from core.data.lake.lake import Lake
from core.ingest import ingest
from core.tasks.pixels import decode
from core.training.start import start_training
from core.workspace import Workspace
from tests.benchmarks.measure import Result

SOURCE = "LEPTON_BENCH_MNIST"
SEEDS = int(os.environ.get("LEPTON_BENCH_SEEDS", "10"))
WANTED = 0.99
THEIR_EPOCHS = 14
RECIPE = {
    "dataset": "mnist",
    "model": "cnn",
    "epochs": 1,
    "batch_size": 64,
    "lr": 8e-3,
    "schedule": "linear",
    "warmup": 0.3,
    "ema": 0.98,
    "options": {"width": 16, "stem": "strided"},
}


def measure() -> list[Result]:
    source = os.environ.get(SOURCE)
    if not source:
        print(f"MNIST to 99 %: {SOURCE} names no MNIST, nothing measured", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "home")
        ingest(workspace, source, "mnist")
        judged_by_the_test_split(workspace, "mnist")
        _ours(workspace, SEEDS)  # encodes the digits
        ours = mean(_ours(workspace, seed) for seed in range(SEEDS))
        theirs = _alone(workspace)
    return [Result("MNIST to 99 % / PyTorch's example", ours, theirs, "s", 0.1)]


def judged_by_the_test_split(workspace: Workspace, name: str) -> None:
    """A version in which the rows of the test split are those that a training is judged by."""
    lake = Lake(workspace)
    judged = "CASE split WHEN 'test' THEN 'validation' ELSE split END AS split"
    with lake.open(name) as view:
        table = view.arrow(f"SELECT * REPLACE ({judged}) FROM rows")
        media = {column.name: column.media for column in view.version.columns if column.media}
        facts = {"task": view.version.task, "target": view.version.target}
    lake.commit(name, table, op="benchmark", media=media, **facts)


def _ours(workspace: Workspace, seed: int) -> float:
    """Seconds from the start of a training's process until it knows that it reached 99 %."""
    run = start_training(workspace, {**RECIPE, "seed": seed, "threads": os.cpu_count()})
    run.wait(600)
    launched = next(event["time"] for event in run.events() if event["event"] == "state")
    for event in run.events():
        if event["event"] == "epoch" and event["metrics"]["val/accuracy"] >= WANTED:
            return float(event["time"] - launched)
    raise RuntimeError(f"seed {seed} did not reach {WANTED:.0%}: {run.state().metrics}")


def _alone(workspace: Workspace) -> float:
    """PyTorch's example in a process of its own, with every core."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(workspace.home)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())},
        check=True,
    )
    return float(done.stdout)


class Digits(Dataset[tuple[Tensor, int]]):
    """Digits one by one, each made a tensor and normalised when it is asked for."""

    def __init__(self, workspace: Workspace, split: str) -> None:
        self.images: list[np.ndarray] = []
        self.labels: list[int] = []
        with Lake(workspace).open("mnist") as view:
            for batch in view.batches(["image", "label"], split=split):
                self.images += [decode(each.as_py(), 1)[0].copy() for each in batch.column("image")]
                self.labels += [int(each.as_py()) for each in batch.column("label")]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        pixels = torch.from_numpy(self.images[at])[None].to(torch.float32).div(255)
        return pixels.sub_(0.1307).div_(0.3081), self.labels[at]


class Net(nn.Module):
    """The network of PyTorch's MNIST example."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.hidden, self.head = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.far(F.relu(self.near(x)))), 2)
        x = F.relu(self.hidden(F.dropout(x, 0.25, self.training).flatten(1)))
        return F.log_softmax(self.head(F.dropout(x, 0.5, self.training)), dim=1)


def _theirs(workspace: Workspace) -> float:
    """The example as it is: Adadelta, 64 digits a step, the rate times 0.7 after each epoch."""
    train, test = Digits(workspace, "train"), Digits(workspace, "validation")
    torch.manual_seed(1)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    began = time.perf_counter()
    for _ in range(THEIR_EPOCHS):
        model.train()
        for step, (x, y) in enumerate(DataLoader(train, 64, shuffle=True)):
            optimizer.zero_grad()
            loss = F.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if step % 10 == 0:
                loss.item()
        model.eval()
        with torch.no_grad():
            right = sum(
                int((model(x).argmax(1) == y).sum()) for x, y in DataLoader(test, batch_size=1000)
            )
        if right >= WANTED * len(test):
            return time.perf_counter() - began
        schedule.step()
    raise RuntimeError("PyTorch's example did not reach 99 %")


if __name__ == "__main__":
    print(_theirs(Workspace(Path(sys.argv[1]))))
