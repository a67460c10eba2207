"""The task protocol: all that trainer, evaluator, engine and screens know of a kind of problem."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from core.errors import UsageError
from core.options import Option
from core.tasks.answering import Answering
from core.tasks.facts import TableFacts
from core.tasks.reading import LeftOut, row_examples
from core.tasks.rows import with_place
from core.tasks.scoring import Scorer
from core.tasks.verdicts import Verdicts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor, nn

    from core.data.lake.view import View
    from core.generation.chat import Prompt
    from core.generation.generation import Generation
    from core.generation.sampling import Sampling

    Rows: TypeAlias = pa.Table | pa.RecordBatch | Sequence[Mapping[str, Any]]
    Array: TypeAlias = np.ndarray[Any, Any]
    Arrays: TypeAlias = dict[str, Any]
    """Each is an array, or `Ragged`."""
    Batch: TypeAlias = dict[str, Tensor]

ABBREVIATED = {
    "average_precision": "AP",
    "bits_per_byte": "bits a byte",
    "expected_calibration_error": "ECE",
    "map": "mAP",
    "mean_absolute_scaled_error": "MASE",
    "mean_average_precision": "mAP",
    "root_mean_squared_error": "RMSE",
    "word_error_rate": "WER",
}
"""What the field calls scores whose keys are long."""

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
    separator: str = ""
    """How the target writes several labels of a row (`core.tasks.targets`); empty: it has one."""


class Task(Answering):
    """A kind of problem; an instance holds its codec: what it learned from the training split.

    The road of an example: rows are read (`read`), made examples (`examples`, which for most tasks
    is `encode`, row by row), and come to the model by the batch (`inputs`). What the model returns
    goes into `loss`, and `keep` says what of it is kept to judge the model by. A model that answers
    otherwise than it learns (one that is shown the target as far as it has come) is asked by
    `judge` and `solve`.

    Arrays are aligned by example; one that differs in length from example to example is `Ragged`,
    and comes in a batch padded with zeros, its lengths beside it under NAME_length.
    """

    summary: ClassVar[str]
    needs: ClassVar[str]
    """What columns it reads, in words for the error when a data set has them not."""
    architectures: ClassVar[tuple[str, ...]]
    """Models that can be trained for it; the first is the default."""
    metric: ClassVar[str]
    """The key of `scores` that says which model is best; `ABBREVIATED` has what the field calls it,
    where that is short."""
    higher_is_better: ClassVar[bool] = True
    example: ClassVar[str] = "row"
    """What one of its examples is, in a word."""
    reads: ClassVar[str]
    """What a person gives it: image, tokens (text), audio, table or series."""
    mixes: ClassVar[bool] = False
    """Whether `loss` takes weights, so that two examples can be trained on as a mix of both."""
    boxes: ClassVar[bool] = False
    """Whether its examples have "boxes", which move as the picture is moved by augmentations."""
    in_order: ClassVar[bool] = False
    """Whether its target goes along its input, as what is said goes along a sound: nothing of the
    input may change places then."""
    tells_classes: ClassVar[bool] = False
    """Whether a target is one of `shape["outputs"]` classes: then they can be balanced, and the
    truth smoothed over them."""
    takes_pretrained: ClassVar[bool] = False
    """Whether it can be learnt on top of models that others trained: `learn` then also takes a
    `reading`, how such a model, or one of ours that is not to read as usual, reads."""
    options: ClassVar[tuple[Option, ...]] = ()
    """Options of `learn`."""

    notes: tuple[str, ...]
    """What a person should know before training."""

    @classmethod
    @abstractmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        """Say how the data set suits, with these columns where they are named; None: not at all."""

    @classmethod
    def advice(cls, facts: TableFacts, target: str | None = None) -> str:
        """What to do about a data set that does not suit, as a hint; empty where nobody can say."""
        return ""

    @classmethod
    @abstractmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        """Look at the answers in all rows, before a run is started and the rows are split for it.

        Raises:
            LeptonError: there is nothing to tell apart: no value, or the same one everywhere.
        """

    def strangers(self, fit: Fit, view: View) -> list[str]:
        """Answers in a data set's rows that the codec has no output for."""
        return []

    @classmethod
    def for_fit(cls, fit: Fit) -> type[Task]:
        """The task in the form that suits these columns, such as for rows of several labels."""
        return cls

    @classmethod
    def split_way(cls, inputs: Sequence[str]) -> Mapping[str, Any]:
        """How training splits the rows when they are not split: "time", the column in whose order,
        or "random", as `ensure_split` takes them."""
        return {}

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
            UsageError: an unknown option, or one that cannot have that value.
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
        "length"} or {"kind": "table", "numbers": how many, "categories": [size of each]}; a task
        whose models are of their own has a kind of its own.
        """

    @property
    def takes(self) -> dict[str, str]:
        """What a cell of each input column holds: image, audio, text, number, date or category.

        Where rows are answered together (`gathers`), a row has a list of such cells in each.
        """
        return dict.fromkeys(self.columns, "text" if self.reads == "tokens" else self.reads)

    @property
    def marks(self) -> tuple[int, ...]:
        """The tokens that are none of a text's own, such as those of its beginning and end."""
        return ()

    @property
    def at_once(self) -> int:
        """How many examples a model judges or answers in one pass."""
        return 256

    def read(self, view: View, split: str | None, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of a split (of all, for None), `rows` at a time, as `examples` wants them."""
        return view.batches(with_place((*self.columns, self.target), view), split=split, rows=rows)

    def examples(
        self, batches: Iterable[pa.RecordBatch], left_out: LeftOut | None = None
    ) -> Iterator[Arrays]:
        """Examples with "target" and `ROW_ID`, the row that each came from, int64 [n].

        One for each row that has a target, unless a task says otherwise: a window of a series,
        a block of many texts. `left_out` hears of rows that none was made of.

        Raises:
            UsageError: a column is missing.
            LeptonError: a value cannot be read, and `left_out` is None.
        """
        return row_examples(self, batches, left_out)

    @abstractmethod
    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """Turn rows into arrays, one entry a row, in their order.

        With `target`, rows whose target is null are left out and two arrays are added: "target",
        and "row", int64, the position in `rows` that each entry came from. Classes are encoded as
        numbers, int64 (UNKNOWN for one that training did not have).

        Raises:
            UsageError: a column is missing.
            LeptonError: a value cannot be read; names column, row and value.
        """

    @abstractmethod
    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """The model's arguments, made from encoded arrays on the device; normalised here.

        A model that learns by being shown the target gets that too, where the batch has it.
        """

    @abstractmethod
    def loss(self, outputs: Any, batch: Batch, weight: Tensor | None = None) -> Tensor:
        """Mean loss over the examples whose target is known, a scalar; NaN when there are none.

        `outputs` is what the model returned. With `weight`, float [n], the loss of each example is
        multiplied by its weight before.
        """

    def even_loss(self, outputs: Any) -> Tensor:
        """Mean loss against every class alike, which label smoothing mixes in."""
        raise NotImplementedError(f"{self.name} tells no classes")

    @abstractmethod
    def naive(self, batch: Batch) -> Any:
        """The outputs of the baseline: of a model that looks at no input, or knows no better trick.

        The commonest class, the mean, the value of a season before.
        """

    def keep(self, outputs: Any, batch: Batch) -> Tensor:
        """What is kept of a batch's outputs to score and report, float [n, …].

        The outputs themselves, unless they are too large, or not one tensor. What one batch has
        more of than another (boxes, letters) is filled up with -1.
        """
        kept: Tensor = outputs
        return kept

    def judge(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a module on a batch with targets, as `loss`, and what it says, as `keep`.

        By one pass of the model, unless it may not see the targets to answer.
        """
        outputs = module(*self.inputs(batch))
        return self.loss(outputs, batch), self.keep(outputs, batch)

    def scores(self, found: Array, target: Any) -> dict[str, float]:
        """Metrics of what was kept against all targets (an array or `Ragged`), named as
        scikit-learn and torchmetrics name them; needs no torch.
        """
        return self.scorer(found, target).whole(len(target))

    @abstractmethod
    def scorer(self, found: Array, target: Any) -> Scorer:
        """The same metrics, as a function of how often each example counts."""

    def losses(self, found: Array, target: Any) -> Array | None:
        """The loss of each example, float64 [n], NaN where it has none; None where what was kept
        does not tell it."""
        return None

    @property
    def overlap(self) -> int:
        """How many examples in a row share rows, as windows of a series do; 1: each stands alone.

        They are not independent, so a bootstrap draws them in blocks of as many.
        """
        return 1

    @abstractmethod
    def verdicts(self, found: Array, target: Any) -> Verdicts:
        """What is to be said of each example's answer."""

    def confidence(self, found: Array, target: Any) -> tuple[Array, Array] | None:
        """How sure the model was, float64 [n, …] from 0 to 1, and whether it was right, bool.

        Of each answer that comes with a probability; None where answers have none.
        """
        return None

    def report(self, found: Array, target: Any) -> dict[str, Any]:
        """What else a person reads to judge a model, as JSON values.

        Keys, where they make sense: "confusion" {"labels", "matrix" (row = truth, column =
        answer)}, "per_class" [{"label", "precision", "recall", "f1", "support", and perhaps
        "average_precision"}], "per_class_of" (which answers the rates are of, in words), "by_step"
        [{"step", "mean_absolute_error", "mean_absolute_scaled_error"}], "residuals" {"mean", "std",
        "quantiles", "histogram"}.
        """
        return {}

    def solve(self, module: nn.Module, batch: Batch) -> Tensor:
        """What the answers to a batch without targets are made of, float [n, …].

        One pass of the model, unless answering takes more, as writing a text does.
        """
        return self.keep(module(*self.inputs(batch)), batch)

    def generation(self, prompt: Prompt, sampling: Sampling) -> Generation:
        """An answer that comes piece by piece, where the task is to go on with texts.

        Raises:
            UsageError: it is not, the prompt has more pieces than the model takes, or the settings
                cannot be.
            LeptonError: a package for the settings is missing.
        """
        raise UsageError(
            f"a model for {self.name} does not go on with texts",
            hint="lepton models ls --json says what each model is for.",
        )
