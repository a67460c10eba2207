"""What of a pretrained model is trained: all of it, its head alone, or small matrices beside.

The matrices are LoRA's (Hu et al. 2021), through peft; they are added to the weights in the end.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from torch import nn

from core.errors import LeptonError, UsageError


def freeze(model: Any, fresh: Collection[str], *, backbone: str, where: str) -> None:
    """Train all but the `backbone`, and what has no pretrained weights (`fresh`, by name).

    Raises:
        UsageError: nothing is left to train: the head's weights are the embedding's.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in fresh or not name.startswith(f"{backbone}."))
    if not any(each.requires_grad for each in model.parameters()):
        raise UsageError(
            "the model has no head of its own: it says pieces with the matrix it reads them by",
            where=where,
            hint="Use tune=lora or tune=full.",
        )


def adapt(model: Any, fresh: Collection[str], *, rank: int, alpha: int) -> None:
    """Put matrices of `rank` beside each layer below the head, and train them and the head.

    Raises:
        LeptonError: peft is not installed.
        UsageError: a layer takes no matrices of that rank.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from transformers.pytorch_utils import Conv1D
    except ImportError as error:
        raise LeptonError(
            "tune=lora needs the package peft", hint="Install it: pip install 'lepton-tui[hub]'"
        ) from error
    layers = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | nn.Conv2d | Conv1D)
        and _inside(model, name)
        and f"{name}.weight" not in fresh
    ]
    # GPT-2's layers hold their weights the other way round.
    turned = any(isinstance(part, Conv1D) for part in model.modules())
    settings = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=layers, fan_in_fan_out=turned, lora_dropout=0.0
    )
    inside = {f"{name}." for name in layers}
    try:
        inject_adapter_in_model(settings, model)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise UsageError(f"rank={rank} cannot be: {first}") from error
    for name, parameter in model.named_parameters():
        added = "lora_" in name and any(name.startswith(layer) for layer in inside)
        parameter.requires_grad_(added or name in fresh or not _inside(model, name))


def merged(module: nn.Module) -> nn.Module:
    """The module with LoRA's matrices added to its weights, and gone; in place."""
    if "peft" not in sys.modules:
        return module
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, part in list(module.named_modules()):
        if isinstance(part, BaseTunerLayer):
            part.merge()
            above, _, last = name.rpartition(".")
            setattr(module.get_submodule(above), last, part.get_base_layer())
    return module


def _inside(model: Any, name: str) -> bool:
    """Whether a weight or layer is below the head."""
    return name.startswith(f"{model.base_model_prefix}.")
