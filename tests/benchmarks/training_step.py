"""One training step of a small MLP: our loop, loops by hand, and the trainers people know."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

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
    sides = (_ours, _by_hand, _loader, _lightning, _transformers)
    ours, by_hand, loader, lightning, transformers = in_turns(
        REPEATS, *(lambda side=side: side(x, y) for side in sides)
    )
    step = 1e6 / STEPS
    return [
        Result("training step / loop by hand", ours * step, by_hand * step, "µs", 1.05),
        Result("training step / DataLoader loop", ours * step, loader * step, "µs", 1 / 1.5),
        Result("training step / Lightning", ours * step, lightning * step, "µs", 1 / 2),
        Result("training step / transformers", ours * step, transformers * step, "µs", 1 / 2.5),
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


def _lightning(x: torch.Tensor, y: torch.Tensor) -> float:
    """Lightning's Trainer with all its extras off."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    none = torch.empty(BATCH, 0, dtype=torch.int64)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = _model()

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            numbers, target = batch
            return F.cross_entropy(self.model(numbers, none), target)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=LR, fused=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
        return seconds(lambda: trainer.fit(Module(), loader))


def _transformers(x: torch.Tensor, y: torch.Tensor) -> float:
    """The transformers Trainer, which saves and reports nothing."""
    from transformers import Trainer as HuggingFaceTrainer
    from transformers import TrainingArguments

    none = torch.empty(BATCH, 0, dtype=torch.int64)

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = _model()

        def forward(self, numbers: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": F.cross_entropy(self.model(numbers, none), target)}

    class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
            return {"numbers": x[at], "target": y[at]}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=LR,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = HuggingFaceTrainer(Module(), arguments, train_dataset=Rows())
        return seconds(trainer.train)
