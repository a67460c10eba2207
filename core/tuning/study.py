"""The study behind a search: optuna, with its journal in the run's folder.

The journal is written by the search's one process, which the run's lock holds alone: optuna's own
lock would have whoever resumes after a kill wait for half a minute.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LeptonError
from core.tuning.space import Choice, Range, Space

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

JOURNAL = "study.journal"
NAME = "search"
TELLING = 4
"""So many trials must have come to their end before they tell what mattered."""
FIRST_JUDGED = 2
"""The epoch from which a trial may be worse than most; the first says too little."""


class Study:
    """Trials by number: `ask` begins one, `report` tells of an epoch, `tell` ends it.

    Raises:
        LeptonError: optuna is not installed, or the journal cannot be read.
    """

    def __init__(
        self, folder: Path, space: Space, *, higher_is_better: bool, seed: int, prune: bool
    ) -> None:
        self._optuna = _optuna()
        path = folder / JOURNAL
        _drop_torn_line(path)
        backend = self._optuna.storages.journal
        storage = self._optuna.storages.JournalStorage(
            backend.JournalFileBackend(str(path), lock_obj=_Alone())
        )
        self._distributions = {name: self._distribution(each) for name, each in space.items()}
        pruners = self._optuna.pruners
        self._study = self._optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize" if higher_is_better else "minimize",
            load_if_exists=True,
            pruner=pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=FIRST_JUDGED)
            if prune
            else pruners.NopPruner(),
        )
        # A search that goes on must not draw what it drew before.
        seed += len(self._trials())
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)

    def begin_with(self, params: Mapping[str, Any]) -> None:
        """Have the first trial take these values, if there is none yet."""
        if not self._trials():
            self._study.enqueue_trial(dict(params))

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Another trial: its number, and the values it is to try."""
        trial = self._study.ask(fixed_distributions=self._distributions)
        return trial.number, dict(trial.params)

    def begun(self) -> list[tuple[int, dict[str, Any]]]:
        """Trials that have not ended."""
        running = self._optuna.trial.TrialState.RUNNING
        return [
            (each.number, dict(each.params)) for each in self._trials() if each.state == running
        ]

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Tell what a trial reached in an epoch; whether it is worse than most and may end."""
        known = self._trials()[number]
        trial = self._optuna.trial.Trial(self._study, known._trial_id)
        if epoch not in known.intermediate_values:
            trial.report(value, epoch)
        return bool(trial.should_prune())

    def tell(self, number: int, state: str, value: float | None = None) -> None:
        """End a trial: complete with its value, pruned, or failed."""
        states = self._optuna.trial.TrialState
        found = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        self._study.tell(number, value if state == "complete" else None, state=found[state])

    def importance(self) -> dict[str, float]:
        """How much of the difference between good trials and others each setting explains; they sum
        to one. Nothing where the trials do not tell.

        PED-ANOVA: Watanabe et al. 2023, https://arxiv.org/abs/2304.10255
        """
        importance = self._optuna.importance
        values = [each.value for each in self._trials() if each.value is not None]
        if len(values) < TELLING or len(set(values)) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = importance.get_param_importances(
                    self._study, evaluator=importance.PedAnovaImportanceEvaluator()
                )
            except (ValueError, RuntimeError):
                return {}
        return {name: float(share) for name, share in found.items()}

    def _trials(self) -> Sequence[FrozenTrial]:
        found: Sequence[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return found

    def _distribution(self, each: Range | Choice) -> Any:
        distributions = self._optuna.distributions
        if isinstance(each, Choice):
            return distributions.CategoricalDistribution(each.values)
        if each.whole:
            return distributions.IntDistribution(int(each.low), int(each.high), log=each.log)
        return distributions.FloatDistribution(float(each.low), float(each.high), log=each.log)


class _Alone:
    """No lock: nobody else writes."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        """There is nothing to release."""


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise LeptonError(
            "searching settings needs optuna", hint="Install it: pip install 'lepton-tui[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _drop_torn_line(path: Path) -> None:
    """A kill in the middle of a write leaves a piece of a line, which the next would go on with."""
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)
