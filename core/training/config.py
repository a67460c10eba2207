"""What a training run is asked to do: typed, checked as a whole, every key in use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import UsageError, nearest, together
from core.models.architectures import ARCHITECTURES
from core.models.hub.table import PRETRAINED
from core.tasks import TASKS, task
from core.training import checks
from core.training.checks import Check, maybe, number, one_of, or_auto, whole
from core.training.schedule import SCHEDULES
from core.training.spelling import translated

OPTIMIZERS = ("adamw", "sgd", "muon")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
MOST_DEVICES = 1024
BALANCES = ("none", "weights", "sampling")
WHOSE = "the training settings"


@dataclass(frozen=True)
class TrainConfig:
    """The settings of one training run.

    A setting that is None is chosen when the run first starts (`model`, `task`, `target`, `inputs`,
    `name`, `batch_size`, `lr`, `clip`, `threads`), is the optimizer's own (`momentum`), or is
    switched off (`max_steps`, `max_time`, `patience`, `checkpoint_every`).
    """

    dataset: str
    """The data set, "name" or "name@version"."""
    model: str | None = None
    """The architecture's name, the task's first one when not named; or a pretrained model of
    transformers: its folder (./folder) or its name on the hub (owner/name)."""
    init_from: str | None = None
    """A trained model to go on from, by its name or folder: its weights, and what it learned of how
    to read the rows."""
    task: str | None = None
    target: str | None = None
    inputs: tuple[str, ...] | None = None
    name: str | None = None
    """The trained model's name; dataset_architecture when not named."""
    epochs: int = 10
    max_steps: int | None = None
    """Stop after so many steps, if that is before the last epoch ends."""
    max_time: float | None = None
    """Seconds of training after which it ends, as a person writes them: 30m."""
    batch_size: int | str | None = None
    """Examples in a step, or "auto": as many as the device works on well."""
    accumulate: int = 1
    """Parts in which a step's examples go through the model, for less memory; the step is one."""
    optimizer: str = "adamw"
    """adamw, sgd (with Nesterov momentum), or muon for matrices and adamw for the rest."""
    momentum: float | None = None
    """What SGD (0.9 when not named) or Muon (0.95) keeps of the step before."""
    lr: float | str | None = None
    """The highest learning rate, or "auto": found before the first step."""
    schedule: str = "cosine"
    """How lr goes after the warm-up: cosine or linear to zero, constant, one-cycle, or plateau:
    lower after epochs without a better one."""
    warmup: float = 0.05
    """Steps in which lr rises from zero: below 1 a share of all steps, from 1 up their number."""
    weight_decay: float = 0.01
    clip: float | None = None
    """The largest gradient norm; 0 switches clipping off."""
    ema: float = 0.0
    """How much of the moving average of the weights each step keeps (0.999); 0: no average. What
    is judged and kept is the average then."""
    swa: float = 0.0
    """The share of the training, its last, over which the weights are averaged evenly; 0: none."""
    label_smoothing: float = 0.0
    """How much of each class's truth is spread over all classes."""
    balance: str = "none"
    """Classes of unequal size: weights (the rare ones count more), sampling (they come more
    often), or none."""
    augment: tuple[str, ...] = ()
    """How training examples are changed at random, by name: flip, rotate=15."""
    precision: str = "auto"
    """fp32, bf16 or fp16 (autocast), or auto: bf16 on a GPU that has it, fp32 elsewhere."""
    compile: bool = False
    """Let torch.compile make kernels for this model: a slow start, quicker steps."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: the first free one of the best kind."""
    devices: int = 1
    """How many devices train it together, from `device` on; on the processor, processes. Each takes
    its share of every batch."""
    shard: bool = False
    """Each device keeps a part of the model and the optimizer (FSDP2), for models that do not fit
    on one; without it each keeps all."""
    nodes: int = 1
    """How many machines train it together, `devices` on each; the same command is given on each,
    with its own `node_rank`."""
    node_rank: int = 0
    """Which of the machines this is; 0 keeps the record, the checkpoints and the model."""
    rendezvous: str | None = None
    """Where the machines meet: an address of machine 0 that all reach, and a free port of it."""
    queue: bool | None = None
    """Wait until the device is free, or all of several; None: on an accelerator, and not on the
    processor."""
    threads: int | None = None
    """Processor threads of the training process."""
    patience: int | None = None
    """Stop after so many epochs without a better validation metric."""
    judge_every: int = 1
    """Judge the model after every so many epochs, and after the last."""
    seed: int = 0
    deterministic: bool = False
    """Refuse operations that may give other results on a second run (matters on a GPU)."""
    checkpoint_every: int | None = None
    """Save a checkpoint after every so many steps, besides those by the clock."""
    checkpoint_seconds: float = 60.0
    """Save a checkpoint when the last is this old."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the architecture, such as dropout or hidden sizes, and of the task."""

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], notes: list[str] | None = None) -> TrainConfig:
        """Check every key and value, and name all that is wrong in one error.

        Other tools' names are understood; `notes` then has a line that says ours. An option of an
        architecture may stand among the settings.

        Raises:
            UsageError: unknown keys (with the nearest known one), values that cannot be.
        """
        config, mistakes = cls.read(given, notes)
        if len(mistakes) == 1:
            raise UsageError(f"{WHOSE} have a mistake: {mistakes[0]}")
        if mistakes:
            raise together(mistakes, WHOSE)
        return config

    @classmethod
    def read(
        cls, given: Mapping[str, Any], notes: list[str] | None = None
    ) -> tuple[TrainConfig, list[UsageError]]:
        """The settings as far as they can be read, and what is wrong with the others.

        Where no data set is named, `dataset` is empty.
        """
        mistakes: list[str] = []
        values: dict[str, Any] = {}
        ours, told = translated(given, _CHECKS)
        for key, value in _moved(ours).items():
            if key not in _CHECKS:
                mistakes.append(f'there is no setting "{key}". {_hint(key)}'.rstrip())
                continue
            try:
                values[key] = _CHECKS[key](value)
            except ValueError as error:
                mistakes.append(f"{key} must be {error}, not {value!r}")
            except UsageError as error:
                mistakes.append(f"{error.what}. {error.hint}".rstrip(". "))
        if ours.get("dataset") is None:
            mistakes.append("dataset is missing: name the data set to train on")
        if values.get("ema") and values.get("swa"):
            mistakes.append("ema and swa are two ways to average the weights: choose one")
        if values.get("nodes", 1) > 1 and not values.get("rendezvous"):
            mistakes.append("nodes needs rendezvous, such as 10.0.0.1:29500 of the first of them")
        if values.get("node_rank", 0) >= values.get("nodes", 1):
            mistakes.append("node_rank must be below nodes: the first machine is 0")
        mistakes += _of_shards(values)
        if notes is not None:
            notes += told
        return cls(**{"dataset": "", **values}), [UsageError(each) for each in mistakes]

    @property
    def processes(self) -> int:
        """Processes that train together, on all machines."""
        return self.devices * self.nodes

    def to_json(self) -> dict[str, Any]:
        """Plain JSON from which `from_mapping` makes the same settings again."""
        plain = dataclasses.asdict(self) | {"augment": list(self.augment)}
        if self.inputs is not None:
            plain["inputs"] = list(self.inputs)
        return plain

    def with_(self, **changes: Any) -> TrainConfig:
        """The same settings with some replaced."""
        return dataclasses.replace(self, **changes)


def _of_shards(values: Mapping[str, Any]) -> list[str]:
    """What does not go together with a model in parts."""
    if not values.get("shard"):
        return []
    if values.get("devices", 1) * values.get("nodes", 1) == 1:
        return ["shard needs devices or nodes: it cuts the model in as many parts"]
    return []


def _moved(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the options of a model (`dropout`) or a task where those are kept."""
    if given.keys() <= _CHECKS.keys():
        return dict(given)
    known = _options()
    own = {key: value for key, value in given.items() if key in _CHECKS or key not in known}
    options = {key: value for key, value in given.items() if key not in own}
    if options and isinstance(own.get("options", {}), Mapping):
        own["options"] = {**own.get("options", {}), **options}
    return own


def _hint(key: str) -> str:
    return nearest(key, [*_CHECKS, *_options()])


def _options() -> list[str]:
    """What the architectures and the tasks call their options."""
    every = (*ARCHITECTURES.values(), PRETRAINED)
    of_models = [option for each in every for option in each.defaults]
    return [*dict.fromkeys([*of_models, *(o.name for name in TASKS for o in task(name).options)])]


_CHECKS: dict[str, Check] = {
    "dataset": checks.text,
    "model": maybe(checks.model),
    "init_from": maybe(checks.model),
    "task": maybe(checks.text),
    "target": maybe(checks.text),
    "inputs": maybe(checks.texts),
    "name": maybe(checks.text),
    "epochs": whole(1),
    "max_steps": maybe(whole(1)),
    "max_time": maybe(checks.duration),
    "batch_size": maybe(or_auto(whole(1))),
    "accumulate": whole(1),
    "optimizer": one_of(*OPTIMIZERS),
    "momentum": maybe(number(0, 0.9999)),
    "lr": maybe(or_auto(number(0, above=True))),
    "schedule": one_of(*SCHEDULES),
    "warmup": number(0),
    "weight_decay": number(0),
    "clip": maybe(number(0)),
    "ema": number(0, 0.99999),
    "swa": number(0, 1),
    "label_smoothing": number(0, 0.9),
    "balance": one_of(*BALANCES),
    "augment": checks.augmentations,
    "precision": one_of(*PRECISIONS),
    "compile": checks.flag,
    "device": checks.device,
    "devices": whole(1, MOST_DEVICES),
    "shard": checks.flag,
    "nodes": whole(1, MOST_DEVICES),
    "node_rank": whole(0),
    "rendezvous": maybe(checks.address),
    "queue": maybe(checks.flag),
    "threads": maybe(whole(1)),
    "patience": maybe(whole(1)),
    "judge_every": whole(1),
    "seed": whole(0),
    "deterministic": checks.flag,
    "checkpoint_every": maybe(whole(1)),
    "checkpoint_seconds": number(0, above=True),
    "options": checks.mapping,
}
