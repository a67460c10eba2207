"""How the learning rate goes: a pure function of the step, so a resumed run finds it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.training.config import TrainConfig

SCHEDULES = ("cosine", "linear", "constant", "one-cycle", "plateau")
# One-cycle begins at a 25th of the peak and ends at a 10,000th of that (Smith & Topin 2018).
_FIRST, _LAST = 1 / 25, 1e-4
PLATEAU_EPOCHS = 3
"""Epochs without a better one after which `plateau` lowers the rate."""
PLATEAU_FACTOR = 0.3


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of step `step` (0 is the first) out of `steps`."""
    peak = float(config.lr or 0.0)
    warm = config.warmup * steps if config.warmup < 1 else config.warmup
    warm_steps = min(round(warm), steps)
    done = (step - warm_steps) / max(1, steps - warm_steps)
    if config.schedule == "one-cycle":
        if step < warm_steps:
            return _eased(peak * _FIRST, peak, step / warm_steps)
        return _eased(peak, peak * _FIRST * _LAST, done)
    if step < warm_steps:
        return peak * (step + 1) / (warm_steps + 1)
    if config.schedule in ("constant", "plateau"):
        return peak
    if config.schedule == "linear":
        return peak * (1 - done)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


class Rates:
    """The learning rates of a training, whose peak a person may change in flight.

    `peaks` are those that were asked for, by the step from which they hold. Steps are asked for in
    their order; `go_back` begins again anywhere.
    """

    def __init__(self, config: TrainConfig, steps: int, peaks: Mapping[int, float]) -> None:
        self._asked = self._now = config
        self._steps = steps
        self._peaks = dict(peaks)

    def at(self, step: int) -> float:
        if step in self._peaks:
            self._now = self._asked.with_(lr=self._peaks[step])
        return learning_rate(self._now, step, self._steps)

    def ask(self, step: int, peak: float) -> None:
        """From this step on, which is still to come, take another peak."""
        self._peaks[step] = peak

    def go_back(self, step: int) -> None:
        """As before this step: what was asked for later holds when that step comes again."""
        last = max((at for at in self._peaks if at < step), default=None)
        self._now = self._asked if last is None else self._asked.with_(lr=self._peaks[last])

    @property
    def peak(self) -> float:
        """The one that holds now."""
        return float(self._now.lr or 0.0)


def _eased(start: float, end: float, done: float) -> float:
    """Half a cosine from one rate to another."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
