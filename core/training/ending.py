"""Why a training ended before its last epoch: which of its settings said so."""

from __future__ import annotations

from core.training.config import TrainConfig
from core.training.progress import Best, Progress

MAX_STEPS, MAX_TIME, PATIENCE = "max_steps", "max_time", "patience"


def ended_by(config: TrainConfig, at: Progress, whole: int) -> str | None:
    """The setting that ended it before the last of its `whole` steps; None where none did."""
    if not at.finished or at.step >= whole:
        return None
    if config.max_steps and at.step >= config.max_steps:
        return MAX_STEPS
    if config.patience is not None and at.waited >= config.patience:
        return PATIENCE
    return MAX_TIME


def ending_words(
    config: TrainConfig, at: Progress, whole: int, best: Best | None, metric: str
) -> str:
    """The same for a person; empty where it went to its end."""
    match ended_by(config, at, whole):
        case "max_steps":
            return f"ended at step {at.step:,} of {whole:,}, as max_steps says"
        case "max_time":
            return (
                f"ended at step {at.step:,} of {whole:,}: max_time, {config.max_time:g} s, is over"
            )
        case "patience" if best is not None:
            return (
                f"stopped early: no better {metric} for {at.waited} epoch{'s' * (at.waited > 1)}"
                f" (best {best.value:.4g} in epoch {best.epoch})"
            )
    return ""
