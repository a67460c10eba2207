"""The task protocol: all that trainer, evaluator, engine and screens know of a kind of problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from core.errors import UsageError
from core.tasks.facts import TableFacts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor

    from core.data.lake.view import View

    Rows: TypeAlias = pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]
    Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]

UNKNOWN = -1
"""The encoded target of a class that the training split does not have."""


@dataclass(frozen=True)
class Fit:
    """How a task would read a data set: the columns it takes, and how well that suits (0 to 1)."""

    task: str
    inputs: tuple[str, ...]
    target: str
    score: float
    why: str
    notes: tuple[str, ...] = ()
    """What a person should know before training, such as a column that was left out."""


class Task(ABC):
    """A kind of problem; an instance holds its codec: what it learned from the training split.

    Outputs are what a model returns, float [n, shape["outputs"]]: logits for classes, the
    standardised value for a number. Targets are encoded: class numbers int64 [n] (UNKNOWN for a
    class that training did not have), or standardised values float32 [n].
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[str]
    """What columns it reads, in words for the error when a data set has them not."""
    architectures: ClassVar[tuple[str, ...]]
    """Models that can be trained for it; the first is the default."""
    metric: ClassVar[str]
    """The key of `scores` that says which model is best."""
    higher_is_better: ClassVar[bool] = True
    reads: ClassVar[str]
    """What its inputs are, as `shape` says it: image, tokens, audio or table."""
    mixes: ClassVar[bool] = False
    """Whether `loss` takes weights, so that two examples can be trained on as a mix of both."""
    options: ClassVar[Mapping[str, int]] = {}
    """Options of `learn` with their defaults; 0 means: chosen from the training split."""

    columns: tuple[str, ...]
    """Input columns, in the order in which `encode` reads them."""
    target: str
    notes: tuple[str, ...]
    """What a person should know before training."""

    @classmethod
    @abstractmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        """Say how the data set suits, with these columns where they are named; None: not at all."""

    @classmethod
    @abstractmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        """Look at the answers in all rows, before a run is started and the rows are split for it.

        Raises:
            LeptonError: there is nothing to tell apart: no value, or the same one everywhere.
        """

    @classmethod
    @abstractmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn the codec from one split alone (from all rows when `split` is None).

        Raises:
            LeptonError: nothing can be learnt: no rows, one class, an image that does not decode.
            UsageError: an unknown option.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The codec as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        """The task as `to_json` wrote it; KeyError, TypeError or ValueError when it is damaged."""

    @property
    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """What an architecture needs to know: "kind", "outputs" and the sizes of that kind.

        {"kind": "image", "channels", "height", "width"}, {"kind": "tokens", "vocabulary",
        "length"} or {"kind": "table", "numbers": how many, "categories": [size of each]}.
        """

    @abstractmethod
    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """Turn rows into arrays, one entry a row, in their order.

        With `target`, rows whose target is null are left out and two arrays are added: "target",
        and "row", int64, the position in `rows` that each entry came from.

        Raises:
            UsageError: a column is missing.
            LeptonError: a value cannot be read; names column, row and value.
        """

    @abstractmethod
    def encode_target(self, rows: Rows) -> Arrays:
        """Only "target" and "row", as `encode` gives them; the inputs are not looked at."""

    @abstractmethod
    def inputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The model's arguments, made from encoded arrays on the device; normalised here."""

    @abstractmethod
    def loss(
        self, outputs: Tensor, batch: dict[str, Tensor], weight: Tensor | None = None
    ) -> Tensor:
        """Mean loss over the rows whose target is known, a scalar; NaN when there are none.

        With `weight`, float [n], the loss of each row is multiplied by its weight before.
        """

    @abstractmethod
    def scores(
        self, outputs: np.ndarray[Any, Any], target: np.ndarray[Any, Any]
    ) -> dict[str, float]:
        """Metrics under the names that scikit-learn and torchmetrics use; needs no torch."""

    @abstractmethod
    def baseline(
        self, train_target: np.ndarray[Any, Any], target: np.ndarray[Any, Any]
    ) -> dict[str, float]:
        """The same metrics for an answer without inputs: the commonest class, or the mean."""

    @abstractmethod
    def report(self, outputs: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> dict[str, Any]:
        """What a person reads to judge a model, as JSON values.

        Keys, where they make sense: "confusion" {"labels", "matrix" (row = truth, column =
        answer)}, "per_class" [{"label", "precision", "recall", "f1", "support"}], "residuals"
        {"mean", "std", "quantiles", "histogram"}, "mistakes" [{"row" (position), "truth",
        "answer", "score" or "error"}], worst first.
        """

    @abstractmethod
    def answers(self, outputs: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        """One answer a row: {"label", "score", "scores": {label: probability}} or {"value"}."""

    def row(self, given: object) -> dict[str, Any]:
        """A row from what a person gave: a mapping of columns, or whatever else the task can read.

        Raises:
            UsageError: it cannot be read as a row.
        """
        if isinstance(given, Mapping):
            return dict(given)
        raise UsageError(
            f"{self.name} reads rows of named columns, not {type(given).__name__}",
            hint=f"Give the columns {', '.join(self.columns)}.",
        )
