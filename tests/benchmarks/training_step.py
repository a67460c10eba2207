"""One training step of a small MLP: our loop, a careful person's own loop, and the usual one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from core.models.architectures import build
from core.tasks import task
from core.training.checkpoint import Checkpoints
from core.training.config import TrainConfig
from core.training.feed import Split
from core.training.loop import Trainer
from tests.benchmarks.measure import Result, in_turns, seconds

ROWS, NUMBERS, CLASSES = 32_000, 32, 4
BATCH, LR = 32, 1e-3
STEPS = ROWS // BATCH
REPEATS = 7


def measure() -> list[Result]:
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, NUMBERS, generator=draw)
    y = x[:, :CLASSES].argmax(1)
    ours, by_hand, loader = in_turns(
        REPEATS, lambda: _ours(x, y), lambda: _by_hand(x, y), lambda: _loader(x, y)
    )
    step = 1e6 / STEPS
    return [
        Result("training step / loop by hand", ours * step, by_hand * step, "µs", 1.10),
        Result("training step / DataLoader loop", ours * step, loader * step, "µs", 0.75),
    ]


def _model() -> nn.Module:
    torch.manual_seed(0)
    shape = {"kind": "table", "numbers": NUMBERS, "categories": [], "outputs": CLASSES}
    return build("mlp", shape, {"width": 64, "layers": 1})


def _task() -> object:
    number = {"kind": "number", "mean": 0.0, "std": 1.0, "median": 0.0, "missing": False}
    columns = [{**number, "column": f"x{at}"} for at in range(NUMBERS)]
    labels = [str(at) for at in range(CLASSES)]
    return task("tabular-classification").from_json(
        {"target": "y", "labels": labels, "columns": columns, "features": columns, "notes": []}
    )


def _ours(x: torch.Tensor, y: torch.Tensor) -> float:
    none = torch.empty(len(x), 0, dtype=torch.int64)
    split = Split({"numbers": x, "categories": none, "target": y}, np.arange(len(x)))
    config = TrainConfig(
        "none", epochs=1, batch_size=BATCH, lr=LR, precision="fp32", checkpoint_seconds=1e9
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            _model(),
            _task(),
            split,
            None,
            config=config,
            checkpoints=Checkpoints(Path(folder)),
            device=torch.device("cpu"),
            emit=lambda event, **fields: None,
            should_stop=lambda: False,
        )
        return seconds(trainer.fit)


def _by_hand(x: torch.Tensor, y: torch.Tensor) -> float:
    model = _model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, fused=True)
    none = torch.empty(BATCH, 0, dtype=torch.int64)

    def epoch() -> float:
        total = torch.zeros(())
        for index in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x[index], none), y[index])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item()

    return seconds(epoch)


def _loader(x: torch.Tensor, y: torch.Tensor) -> float:
    model = _model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    none = torch.empty(BATCH, 0, dtype=torch.int64)

    def epoch() -> float:
        total = 0.0
        for numbers, target in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(numbers, none), target)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return seconds(epoch)
