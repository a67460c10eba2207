"""The names that other tools have for our settings: understood, and answered with ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ELSEWHERE = {
    "architecture": "model",
    "augmentation": "augment",
    "augmentations": "augment",
    "auto_augment": "augment",
    "bs": "batch_size",
    "batch": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "data": "dataset",
    "machine_rank": "node_rank",
    "nnodes": "nodes",
    "nproc_per_node": "devices",
    "num_machines": "nodes",
    "num_nodes": "nodes",
    "num_processes": "devices",
    "rdzv_endpoint": "rendezvous",
    "early_stop": "patience",
    "early_stopping_patience": "patience",
    "full_determinism": "deterministic",
    "gradient_accumulation_steps": "accumulate",
    "accumulate_grad_batches": "accumulate",
    "gradient_clip_val": "clip",
    "gradient_clipping": "clip",
    "max_grad_norm": "clip",
    "max_norm": "clip",
    "label": "target",
    "label_smoothing_factor": "label_smoothing",
    "learning_rate": "lr",
    "lr0": "lr",
    "lr_scheduler": "schedule",
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
    "optim": "optimizer",
    "random_seed": "seed",
    "save_steps": "checkpoint_every",
    "torch_compile": "compile",
    "transforms": "augment",
    "wd": "weight_decay",
}


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
        name = plain if plain in known else ELSEWHERE.get(plain.lower(), key)
        if name != plain and name in known:
            if name in given:
                notes.append(f"{key} is left out: {name} says the same")
                continue
            notes.append(f"{key} is called {name} here")
        ours[name] = value
    return ours, notes
