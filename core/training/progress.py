"""Where a training stands: all of it that is no tensor, kept with each checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Best:
    """The best epoch so far by the task's metric, with its weights on the CPU."""

    value: float
    epoch: int
    step: int
    metrics: dict[str, float]
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """All but the weights."""
        return {key: value for key, value in vars(self).items() if key != "weights"}


@dataclass
class Progress:
    """Where training stands. `position` counts the batches done in this epoch."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    loss_rows: int = 0
    waited: int = 0
    """Epochs since the best one."""
    flat: int = 0
    """Epochs since the best one or since the rate was lowered for that."""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    window: int = 0
    """Rows that are mixed at a time; 0: all. A resumed run keeps to it, whatever fits by then."""
    rate: float = 1.0
    """What the learning rate is multiplied by: less after a plateau or a divergence."""
    setbacks: int = 0
    """Times that training diverged and went back."""
    parts: int = 1
    """Parts in which a batch goes through the model; more after the memory was full."""
