"""What a search has found so far, in its run's artifacts: for people, and for `lepton train`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core import toml
from core.atomic import write_json, write_text
from core.errors import LeptonError

TRIALS = "trials.json"
BEST = "best.toml"


@dataclass(frozen=True)
class Trial:
    """One trial: its training run, how it ended, and the values it tried.

    `state` is complete, pruned or failed. `value` is the best that it reached of the metric, None
    when it never came to an epoch's end.
    """

    number: int
    run: str
    state: str
    value: float | None
    params: dict[str, Any]
    seconds: float = 0.0
    why: str = ""
    """What was wrong with one that failed."""


@dataclass(frozen=True)
class Outcome:
    """The trials that have ended, in the order in which they did.

    `importance` says how much of the difference between trials each setting explains.
    """

    metric: str
    higher_is_better: bool
    trials: tuple[Trial, ...] = ()
    importance: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    """The trained model of the best trial."""

    @property
    def ranked(self) -> list[Trial]:
        """Those that went to their end, the best first, then the others."""
        sign = -1 if self.higher_is_better else 1

        def place(trial: Trial) -> tuple[bool, bool, float]:
            known = trial.value is not None
            return trial.state != "complete", not known, sign * (trial.value or 0.0)

        return sorted(self.trials, key=place)

    @property
    def best(self) -> Trial | None:
        return next((each for each in self.ranked if each.state == "complete"), None)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "best": asdict(self.best) if self.best else None}

    def save(self, folder: Path, best_settings: dict[str, Any] | None) -> None:
        """Keep it; with the settings of the best trial, which `lepton train --config` reads."""
        write_json(folder / TRIALS, asdict(self))
        if best_settings is not None and self.best is not None:
            value = f"{self.best.value:.6g}" if self.best.value is not None else "?"
            head = f"# trial {self.best.number}: {self.metric} {value}"
            write_text(folder / BEST, f"{head}\n{toml.lines(best_settings)}\n")

    @classmethod
    def load(cls, folder: Path) -> Outcome | None:
        """What is known; None before the first trial has ended.

        Raises:
            LeptonError: the file is damaged.
        """
        path = folder / TRIALS
        if not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            trials = tuple(Trial(**each) for each in kept.pop("trials"))
            return cls(trials=trials, **kept)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LeptonError(f"the trials cannot be read: {error}", where=str(path)) from error
