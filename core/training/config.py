"""What a training run is asked to do: typed, checked as a whole, every key in use."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.augmentation.written import read
from core.errors import UsageError, nearest

SCHEDULES = ("cosine", "linear", "constant")
PRECISIONS = ("auto", "fp32", "bf16")
DEVICE = re.compile(r"auto|cpu|(cuda|mps|xpu)(:\d+)?")
MOST = 2**31 - 1

# The names other tools use for the same thing, so that a known habit gets a precise hint.
_ELSEWHERE = {
    "learning_rate": "lr",
    "lr0": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "num_train_epochs": "epochs",
    "max_epochs": "epochs",
    "n_epoch": "epochs",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup",
    "warmup_ratio": "warmup",
    "max_grad_norm": "clip",
    "gradient_clip_val": "clip",
    "early_stop": "patience",
    "augmentation": "augment",
    "augmentations": "augment",
    "auto_augment": "augment",
    "transforms": "augment",
    "architecture": "model",
    "data": "dataset",
    "label": "target",
    "save_steps": "checkpoint_every",
}


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one training run.

    A setting that is None is chosen when the run first starts (`model`, `task`, `target`, `inputs`,
    `name`, `batch_size`, `lr`, `clip`, `threads`) or is switched off (`max_steps`, `patience`,
    `checkpoint_every`).
    """

    dataset: str
    """The data set, "name" or "name@version"."""
    model: str | None = None
    """The architecture's name; the task's first one when not named."""
    task: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None
    name: str | None = None
    """The trained model's name; dataset_architecture when not named."""
    epochs: int = 10
    max_steps: int | None = None
    """Stop after so many steps, if that is before the last epoch ends."""
    batch_size: int | None = None
    lr: float | None = None
    schedule: str = "cosine"
    """How lr falls after the warm-up: cosine or linear to zero, or constant."""
    warmup: float = 0.05
    """Steps in which lr rises from zero: below 1 a share of all steps, from 1 up their number."""
    weight_decay: float = 0.01
    clip: float | None = None
    """The largest gradient norm; 0 switches clipping off."""
    augment: tuple[str, ...] = ()
    """How training examples are changed at random, by name: flip, rotate=15."""
    precision: str = "auto"
    """fp32, bf16 (autocast), or auto: bf16 on a GPU that has it, fp32 elsewhere."""
    device: str = "auto"
    threads: int | None = None
    """Processor threads of the training process."""
    patience: int | None = None
    """Stop after so many epochs without a better validation metric."""
    seed: int = 0
    deterministic: bool = False
    """Refuse operations that may give other results on a second run (matters on a GPU)."""
    checkpoint_every: int | None = None
    """Save a checkpoint after every so many steps, besides those by the clock."""
    checkpoint_seconds: float = 60.0
    """Save a checkpoint when the last is this old."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the architecture, such as dropout or hidden sizes."""

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> TrainConfig:
        """Check every key and value, and name all that is wrong in one error.

        Raises:
            UsageError: unknown keys (with the nearest known one), values that cannot be.
        """
        mistakes: list[str] = []
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in _CHECKS:
                mistakes.append(f'there is no setting "{key}". {_hint(key)}'.rstrip())
                continue
            try:
                values[key] = _CHECKS[key](value)
            except ValueError as error:
                mistakes.append(f"{key} must be {error}, not {value!r}")
            except UsageError as error:
                mistakes.append(f"{error.what}. {error.hint}".rstrip(". "))
        if given.get("dataset") is None:
            mistakes.append("dataset is missing: name the data set to train on")
        if mistakes:
            count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
            raise UsageError(f"the training settings have {count}: {'; '.join(mistakes)}")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON from which `from_mapping` makes the same settings again."""
        plain = dataclasses.asdict(self) | {"augment": list(self.augment)}
        if self.inputs is not None:
            plain["inputs"] = list(self.inputs)
        return plain

    def with_(self, **changes: Any) -> TrainConfig:
        """The same settings with some replaced."""
        return dataclasses.replace(self, **changes)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of step `step` (0 is the first) out of `steps`: a pure function."""
    peak = config.lr or 0.0
    warm = config.warmup * steps if config.warmup < 1 else config.warmup
    warm_steps = min(round(warm), steps)
    if step < warm_steps:
        return peak * (step + 1) / (warm_steps + 1)
    if config.schedule == "constant":
        return peak
    done = (step - warm_steps) / max(1, steps - warm_steps)
    if config.schedule == "linear":
        return peak * (1 - done)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def _hint(key: str) -> str:
    same = _ELSEWHERE.get(key.lower())
    return f'Here it is called "{same}".' if same else nearest(key, _CHECKS)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a name")
    return value


def _device(value: Any) -> str:
    # Whether this machine has it is known to torch alone, in the run's own process.
    if not isinstance(value, str) or not DEVICE.fullmatch(value):
        raise ValueError("auto, cpu, cuda, cuda:1 or mps")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    names = list(value) if isinstance(value, list | tuple) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("a list of column names")
    return tuple(names)


def _augmentations(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError("a list of augmentations, such as flip,rotate=15")
    return tuple(each.word for each in read(words))


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - gathered with the others
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a table of names and values")
    return dict(value)


def _whole(least: int, most: int = MOST) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return check


def _number(least: float, *, above: bool = False) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or value < least or (above and value == least):
            raise ValueError(
                f"a number {'above' if above else 'from'} {least:g}{'' if above else ' up'}"
            )
        return float(value)

    return check


def _one_of(names: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return str(value)

    return check


def _maybe(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "dataset": _text,
    "model": _maybe(_text),
    "task": _maybe(_text),
    "target": _maybe(_text),
    "inputs": _maybe(_texts),
    "name": _maybe(_text),
    "epochs": _whole(1),
    "max_steps": _maybe(_whole(1)),
    "batch_size": _maybe(_whole(1)),
    "lr": _maybe(_number(0, above=True)),
    "schedule": _one_of(SCHEDULES),
    "warmup": _number(0),
    "weight_decay": _number(0),
    "clip": _maybe(_number(0)),
    "augment": _augmentations,
    "precision": _one_of(PRECISIONS),
    "device": _device,
    "threads": _maybe(_whole(1)),
    "patience": _maybe(_whole(1)),
    "seed": _whole(0),
    "deterministic": _flag,
    "checkpoint_every": _maybe(_whole(1)),
    "checkpoint_seconds": _number(0, above=True),
    "options": _mapping,
}
