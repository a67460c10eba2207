"""How settings are written: as words key=value, and under the names that other tools have."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from core.errors import UsageError

ELSEWHERE = {
    "architecture": "model",
    "base_model": "model",
    "model_name_or_path": "model",
    "augmentation": "augment",
    "augmentations": "augment",
    "auto_augment": "augment",
    "bs": "batch_size",
    "batch": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "data": "dataset",
    "dataset_name": "dataset",
    "machine_rank": "node_rank",
    "nnodes": "nodes",
    "nproc_per_node": "devices",
    "num_machines": "nodes",
    "num_nodes": "nodes",
    "num_processes": "devices",
    "gpus": "devices",
    "num_gpus": "devices",
    "rdzv_endpoint": "rendezvous",
    "early_stop": "patience",
    "early_stopping": "patience",
    "early_stopping_patience": "patience",
    "full_determinism": "deterministic",
    "gradient_accumulation_steps": "accumulate",
    "accumulate_grad_batches": "accumulate",
    "gradient_clip_val": "clip",
    "clip_grad_norm": "clip",
    "grad_clip": "clip",
    "gradient_clipping": "clip",
    "max_grad_norm": "clip",
    "max_norm": "clip",
    "label": "target",
    "label_smoothing_factor": "label_smoothing",
    "learning_rate": "lr",
    "lr0": "lr",
    "lr_scheduler": "schedule",
    "lr_schedule": "schedule",
    "lr_scheduler_type": "schedule",
    "scheduler": "schedule",
    "lr_warmup_steps": "warmup",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
    "max_epochs": "epochs",
    "n_epoch": "epochs",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "train_steps": "max_steps",
    "max_train_steps": "max_steps",
    "num_steps": "max_steps",
    "optim": "optimizer",
    "random_seed": "seed",
    "random_state": "seed",
    "check_val_every_n_epoch": "judge_every",
    "val_interval": "judge_every",
    "save_steps": "checkpoint_every",
    "checkpointing_steps": "checkpoint_every",
    "torch_compile": "compile",
    "ema_decay": "ema",
    "mixed_precision": "precision",
    "transforms": "augment",
    "wd": "weight_decay",
}
OF_ALL = ("per_device_train_batch_size", "train_batch_size")
"""What others count for each device and we for all of them together."""
SWITCHES = {"bf16": "bf16", "fp16": "fp16", "half": "fp16"}
"""Precisions that others switch on by a name of their own."""
PRECISIONS = {"bf16-mixed": "bf16", "16-mixed": "fp16", "32-true": "fp32", "no": "fp32"}
NEEDLESS = ("workers", "num_workers", "dataloader_num_workers", "pin_memory", "persistent_workers")
"""What sets up the processes that load examples elsewhere."""


def translated(
    given: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The settings under our own names, and a line for each that had another.

    A setting that is given under both names keeps ours; what is unknown stays as it is.
    """
    ours: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in given.items():
        plain = key.replace("-", "_")
        if plain in NEEDLESS:
            notes.append(
                f"{key} is left out: examples are encoded once, and no process need load them;"
                " threads=N is how many threads of the processor the training takes"
            )
            continue
        if plain in SWITCHES and isinstance(value, bool):
            if value:
                ours.setdefault("precision", SWITCHES[plain])
                notes.append(f"{key} is precision={SWITCHES[plain]} here")
            continue
        name = plain if plain in known else ELSEWHERE.get(plain.lower(), key)
        if name != plain and name in known:
            if name in given:
                notes.append(f"{key} is left out: {name} says the same")
                continue
            of_all = " and counts the examples of all devices" if plain in OF_ALL else ""
            notes.append(f"{key} is called {name} here{of_all}")
        ours[name] = PRECISIONS.get(str(value), value) if name == "precision" else value
    return ours, notes


def parse_setting(word: str) -> tuple[str, Any]:
    """`lr=1e-3` as `("lr", 0.001)`: the value as TOML has it, or else a text.

    Raises:
        UsageError: the word has no `=`.
    """
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(
            f'"{word}" is no setting', hint="Write key=value; the data set is one word before."
        )
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text
