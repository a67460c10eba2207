"""What every task with a number shares: learning its mean and spread, loss, metrics and answers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.data.lake.view import View, quoted
from core.errors import LeptonError
from core.tasks.base import Fit, Task
from core.tasks.facts import described
from core.tasks.features import Number, UnreadableError, floats
from core.tasks.residuals import residuals
from core.tasks.rows import column, condition, place, skipped_note
from core.tasks.scoring import Scorer
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from core.tasks.base import Arrays, Rows

Array = np.ndarray[Any, Any]


class Regression(Task):
    """A task whose answer is a number.

    Models answer in standard deviations from the training split's mean; metrics, reports and
    answers are in the target's own unit.
    """

    gives: ClassVar[str] = "number"
    metric: ClassVar[str] = "r2"
    mixes: ClassVar[bool] = True
    mean: float
    std: float

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        rows_without(view, fit, None)

    @classmethod
    def learn_number(
        cls, view: View, fit: Fit, split: str | None
    ) -> tuple[float, float, tuple[str, ...]]:
        """The mean and the spread of one split's targets, and notes.

        Raises:
            LeptonError: the target has no value, or one in all rows.
        """
        without = rows_without(view, fit, split)
        learned = Number.learn(view, described(view, fit.target), condition(view, split))
        return learned.mean, learned.std, tuple(skipped_note(fit.target, without))

    @abstractmethod
    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        """Arrays of the input columns, for the rows at the positions `kept` or for all."""

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        if not target:
            return self.encode_inputs(rows, None)
        targets = self.encode_target(rows)
        return {**self.encode_inputs(rows, targets["row"]), **targets}

    def encode_target(self, rows: Rows) -> Arrays:
        try:
            numbers = floats(column(rows, self.target))
        except UnreadableError as error:
            where = f"column {self.target}, {place(rows, error.at)}"
            raise LeptonError(str(error), where=where) from error
        kept = np.flatnonzero(np.isfinite(numbers))
        standardised = ((numbers[kept] - self.mean) / self.std).astype(np.float32)
        return {"target": standardised, "row": kept}

    def loss(
        self, outputs: Tensor, batch: dict[str, Tensor], weight: Tensor | None = None
    ) -> Tensor:
        from torch.nn import functional as F

        if weight is None:
            return F.mse_loss(outputs[:, 0], batch["target"])
        return (weight * (outputs[:, 0] - batch["target"]).square()).mean()

    def scorer(self, found: Array, target: Array) -> Scorer:
        truth = self._value(target)
        error = self._value(found[:, 0]) - truth
        squares, sizes = error**2, np.abs(error)

        def of(counts: Array) -> dict[str, float]:
            whole = max(1, counts.sum())
            spread = float(counts @ (truth - counts @ truth / whole) ** 2)
            squared = float(counts @ squares)
            # As scikit-learn: without spread in the truth, only a perfect answer scores 1.
            return {
                "r2": 1 - squared / spread if spread else float(not squared),
                "mean_absolute_error": float(counts @ sizes) / whole,
                "root_mean_squared_error": float(np.sqrt(squared / whole)),
            }

        return Scorer(of, len(target))

    def losses(self, found: Array, target: Array) -> Array | None:
        return (found[:, 0].astype(np.float64) - target) ** 2

    def naive(self, batch: dict[str, Tensor]) -> Tensor:
        """The mean of the training rows, which is zero after standardising."""
        return batch["target"].new_zeros(len(batch["target"]), 1)

    def report(self, found: Array, target: Array) -> dict[str, Any]:
        error = self._value(found[:, 0]) - self._value(target)
        return {"residuals": residuals(error)} if len(error) else {}

    def verdicts(self, found: Array, target: Array) -> Verdicts:
        truth, answer = self._value(target), self._value(found[:, 0])
        return Verdicts(
            badness=np.abs(answer - truth),
            told=answer - truth,
            measure=ERROR,
            truth=lambda at: float(truth[at]),
            answer=lambda at: float(answer[at]),
        )

    def answers_in_bulk(self, found: Array) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_arrays([pa.array(self._value(found[:, 0]))], schema=self.answer_schema)

    def answers(self, found: Array) -> list[Any]:
        return list(self._value(found[:, 0]).tolist())

    def _value(self, standardised: Array) -> Array:
        return standardised.astype(np.float64) * self.std + self.mean


def rows_without(view: View, fit: Fit, split: str | None) -> int:
    """The rows of a split (of all, for None) that have no finite target.

    Raises:
        LeptonError: the target has no value, or one in all rows.
    """
    where, parameters = condition(view, split)
    name = f"{quoted(fit.target)}::DOUBLE"
    finite = f"CASE WHEN isfinite({name}) THEN {name} END"
    rows, there, distinct = view.sql(
        f"SELECT count(*), count({finite}), count(DISTINCT {finite}) FROM rows WHERE {where}",
        parameters,
    )[0]
    if distinct < 2:
        raise LeptonError(
            f'the target column "{fit.target}" has '
            + ("one value in all rows" if distinct else "no value"),
            where=f"{view.version.ref}, {split} split" if split else view.version.ref,
            hint="Name another column with --target.",
        )
    return int(rows - there)
