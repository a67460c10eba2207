"""Several runs side by side: what they reached, and in what they were set differently."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.runs.run import Run
from core.runs.state import RunState

RESOLVED = "config.json"
_LOWER_IS_BETTER = ("error", "loss", "perplexity", "bits")
_NEVER_ALIKE = frozenset({"name"})


@dataclass(frozen=True)
class Comparison:
    """`metrics` and `settings` hold a value for each run, None where it has none.

    Of the settings only those that are not the same in all runs; `same` counts the others.
    """

    runs: tuple[RunState, ...]
    metrics: dict[str, tuple[float | None, ...]]
    settings: dict[str, tuple[Any, ...]]
    same: int

    def best(self, metric: str) -> frozenset[int]:
        """Which runs are best by a metric; none where all are alike."""
        values = self.metrics[metric]
        known = {value for value in values if value is not None and not math.isnan(value)}
        if len(known) < 2:
            return frozenset()
        best = min(known) if lower_is_better(metric) else max(known)
        return frozenset(at for at, value in enumerate(values) if value == best)

    def to_json(self) -> dict[str, Any]:
        """`runs` as a listing has them; `metrics` and `settings` by name and run."""
        ids = [run.id for run in self.runs]
        return {
            "runs": [run.to_json() for run in self.runs],
            "metrics": {name: dict(zip(ids, v, strict=True)) for name, v in self.metrics.items()},
            "settings": {name: dict(zip(ids, v, strict=True)) for name, v in self.settings.items()},
        }


def compare(runs: Sequence[Run]) -> Comparison:
    """What runs reached and how they were set, in their order."""
    states = tuple(run.state() for run in runs)
    asked = [settings(run) for run in runs]
    names = dict.fromkeys(name for each in asked for name in each if name not in _NEVER_ALIKE)
    values = {name: tuple(each.get(name) for each in asked) for name in names}
    differ = {
        name: found for name, found in values.items() if any(value != found[0] for value in found)
    }
    metrics = dict.fromkeys(name for state in states for name in state.metrics)
    return Comparison(
        states,
        {name: tuple(state.metrics.get(name) for state in states) for name in metrics},
        differ,
        len(values) - len(differ),
    )


def settings(run: Run) -> dict[str, Any]:
    """How a run is set: as it was resolved when it first started, else as it was asked.

    Settings within settings are named by their path, such as `options.width`.
    """
    try:
        resolved = json.loads((run.artifacts / RESOLVED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        resolved = None
    return dict(_flat(resolved if isinstance(resolved, dict) else run.spec))


def _flat(nested: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{before}{name}.")
        else:
            flat.append((f"{before}{name}", value))
    return flat


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a metric is the better one, by its name."""
    name = metric.rpartition("/")[2]
    return name in ("wer", "cer", "smape") or any(word in name for word in _LOWER_IS_BETTER)
