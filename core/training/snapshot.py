"""A moment of a training as tensors and JSON, and back: with it, training goes on bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.training import sharding
from core.training.averaging import PREFIX, Average
from core.training.progress import Best, Progress

if TYPE_CHECKING:
    from core.training.checkpoint import Checkpoint
    from core.training.loop import Trainer


def tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Weights, averaged weights, the optimizer's state, random numbers, and the best weights."""
    kept = {f"model.{name}": each for name, each in trainer.module.state_dict().items()}
    optimizer = trainer.stepper.optimizer
    kept |= {f"optimizer.{name}": each for name, each in optimizer.tensors().items()}
    if trainer.average is not None:
        kept |= {f"average.{name}": each for name, each in trainer.average.tensors().items()}
    best = trainer.best
    same = best is not None and best.step == trainer.progress.step and trainer.average is None
    if best is not None and (not same or trainer.group.shards):
        kept |= {f"best.{name}": each for name, each in best.weights.items()}
    for rank, states in enumerate(trainer.group.gathered(_chance(trainer.device))):
        kept |= {f"{name}{_of(rank)}": each for name, each in states.items()}
    return kept


def _chance(device: torch.device) -> dict[str, Tensor]:
    """The state of this process's random numbers."""
    states = {"rng.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["rng.cuda"] = torch.cuda.get_rng_state(device)
    return states


def _of(rank: int) -> str:
    """After the names of what is a process's own; the first one's are as when it is alone."""
    return f".{rank}" if rank else ""


def state(trainer: Trainer) -> dict[str, Any]:
    """Progress, the best epoch, and the settings of optimizer and scaler."""
    scaler = trainer.stepper.scaler
    return {
        **vars(trainer.progress),
        "parts": trainer.stepper.parts,
        "best": trainer.best.to_json() if trainer.best else None,
        "optimizer": trainer.stepper.optimizer.settings(),
        "scaler": scaler.state_dict() if scaler else None,
    }


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Stand where the checkpoint was taken."""
    kept, told = _placed(trainer, checkpoint), dict(checkpoint.state)
    best, settings, scaler = told.pop("best"), told.pop("optimizer"), told.pop("scaler", None)
    trainer.progress = Progress(**told)
    trainer.stepper.parts = trainer.progress.parts
    weights = _under("model.", kept)
    trainer.module.load_state_dict(weights)
    trainer.stepper.optimizer.restore(_under("optimizer.", kept), settings)
    if trainer.stepper.scaler is not None and scaler:
        trainer.stepper.scaler.load_state_dict(scaler)
    if trainer.average is not None:
        trainer.average.restore(_under("average.", kept))
    trainer.best = None
    if best is not None:
        trainer.best = Best(**best, weights=_under("best.", kept) or weights)
    own = _of(trainer.group.rank)
    if f"rng.cpu{own}" not in kept:
        # There were fewer processes then: this one draws what none of them does.
        torch.manual_seed(seed(trainer.config.seed, trainer.group.rank, trainer.progress.step))
        return
    torch.set_rng_state(kept[f"rng.cpu{own}"])
    if f"rng.cuda{own}" in kept and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(kept[f"rng.cuda{own}"], trainer.device)


def copied(module: nn.Module) -> dict[str, Tensor]:
    """The weights as they are now, whole and on the CPU."""
    return {
        name: sharding.whole(each.detach()).cpu().clone()
        for name, each in module.state_dict().items()
    }


def fresh(trainer: Trainer) -> dict[str, Tensor]:
    """What `begin_again` needs from before the first step."""
    return {"rng.cpu": torch.get_rng_state(), **copied(trainer.module)}


def begin_again(trainer: Trainer, before: dict[str, Tensor]) -> None:
    """Stand as before the first step."""
    weights = dict(before)
    torch.set_rng_state(weights.pop("rng.cpu"))
    trainer.module.load_state_dict(weights)
    trainer.stepper.optimizer.restore({}, trainer.stepper.optimizer.settings())
    if trainer.average is not None:
        trainer.average = Average(trainer.module, trainer.config, trainer.steps)
    trainer.progress = Progress(window=trainer.progress.window, parts=trainer.stepper.parts)
    trainer.best = None


def seed(of_run: int, rank: int, step: int = 0) -> int:
    """The seed of a process that begins at a step; each process draws numbers of its own."""
    return int(np.random.SeedSequence([of_run, rank, step]).generate_state(1, np.uint64)[0])


def _placed(trainer: Trainer, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of a checkpoint, in parts or whole as the model is here."""
    kept = dict(checkpoint.tensors)
    weights = trainer.module.state_dict()

    def like(name: str) -> Tensor | None:
        """What a tensor is laid out like: a weight itself, or the weight that a state is of."""
        kind, _, rest = name.partition(".")
        if kind == "average":
            return weights.get(rest.removeprefix(PREFIX))
        weight = rest if kind == "model" else rest.rpartition(".")[0]
        return weights.get(weight) if kind in ("model", "optimizer") else None

    if checkpoint.in_parts:
        kept |= sharding.read(checkpoint.path / sharding.SHARDS, like, trainer.group)
    if trainer.group.shards:
        for name, each in kept.items():
            if (cut := like(name)) is not None:
                kept[name] = sharding.part_like(cut, each)
    return kept


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: each for name, each in tensors.items() if name.startswith(prefix)}
