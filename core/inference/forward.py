"""A model's outputs for encoded rows, batch by batch: shared by all that judge or predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from core.tasks.base import Task


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Encoded arrays on the device."""
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def precision_context(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 when the precision is "bf16"; nothing for "fp32"."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def outputs(
    module: nn.Module,
    task: Task,
    arrays: Mapping[str, Tensor],
    *,
    device: torch.device,
    batch_size: int,
    precision: str = "fp32",
    on_progress: Callable[[int], None] | None = None,
) -> np.ndarray[Any, Any]:
    """The module's outputs, float32 [n, outputs], for row-aligned encoded arrays on any device.

    The module is left in the mode (training or not) in which it came. `on_progress` hears the
    number of rows done after each batch.
    """
    rows = len(next(iter(arrays.values())))
    was_training = module.training
    module.eval()
    found = []
    with torch.inference_mode(), precision_context(precision, device):
        for start in range(0, rows, batch_size):
            batch = {name: values[start : start + batch_size] for name, values in arrays.items()}
            found.append(module(*task.inputs(to_device(batch, device))).float())
            if on_progress is not None:
                on_progress(min(start + batch_size, rows))
    module.train(was_training)
    together = torch.cat(found).cpu().numpy()
    return np.asarray(together, dtype=np.float32)
