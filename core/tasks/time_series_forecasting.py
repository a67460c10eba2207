"""Time series forecasting: a column of times, a column of numbers, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.lake.view import View
from core.data.several_labels import label_text
from core.errors import LeptonError
from core.options import Option, resolved
from core.tasks import series_learning, series_rows
from core.tasks.answer_table import PREDICTION
from core.tasks.base import Fit, Task
from core.tasks.features import Category
from core.tasks.preprocessing import Reading, SeriesReading
from core.tasks.reading import LeftOut, Unreadable
from core.tasks.regression import rows_without
from core.tasks.residuals import residuals
from core.tasks.scoring import Scorer
from core.tasks.series_learning import Learnt
from core.tasks.series_rows import Roles
from core.tasks.series_windows import SeriesWindows
from core.tasks.time_grid import DAY, SECOND
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor, nn

    from core.tasks.base import Array, Arrays, Batch, Rows
    from core.tasks.facts import TableFacts

_ROUND = 0.3
"""Deviations below which an error counts as its square."""
_SHOWN = 6


class TimeSeriesForecasting(Task):
    """What a series goes on with.

    A window is `context` steps of the past, filled where nothing is known, and the `horizon` steps
    to come, which lie in the split; the past may reach back into rows of another. Models are told
    values in the deviations of their series' training rows; metrics and answers are in its unit.
    """

    name: ClassVar[str] = "time-series-forecasting"
    summary: ClassVar[str] = "what a series of numbers goes on with"
    needs: ClassVar[str] = "a column of dates or times and a column of numbers"
    reads: ClassVar[str] = "series"
    gives: ClassVar[str] = "forecast"
    architectures: ClassVar[tuple[str, ...]] = ("tsmixer", "patchtst")
    metric: ClassVar[str] = "mean_absolute_scaled_error"
    higher_is_better: ClassVar[bool] = False
    gathers: ClassVar[bool] = True
    takes_pretrained: ClassVar[bool] = True
    example: ClassVar[str] = "window"
    options: ClassVar[tuple[Option, ...]] = (
        Option("context", 0, "steps of the past that are read", 1, 100_000, auto=True),
        Option("horizon", 0, "steps that are told", 1, 100_000, auto=True),
        Option("season", 0, "steps after which it is like before", 1, 100_000, auto=True),
        Option("series", "", "the column that tells series apart", auto=True),
    )

    def __init__(self, learnt: Learnt) -> None:
        self.learnt = learnt
        self.windows = SeriesWindows(learnt)
        self.roles, self.past, self.step = learnt.roles, learnt.past, learnt.step
        self.context, self.horizon, self.season = learnt.context, learnt.horizon, learnt.season
        self.columns = learnt.roles.columns
        self.target = learnt.roles.value
        self.notes = learnt.notes

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        return series_rows.fit(cls.name, facts, target, inputs)

    @classmethod
    def advice(cls, facts: TableFacts, target: str | None = None) -> str:
        return series_rows.advice(facts, target)

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        rows_without(view, fit, None)
        series_rows.check_times(view, Roles.of(fit, view))

    @classmethod
    def split_way(cls, inputs: Sequence[str]) -> Mapping[str, Any]:
        return {"time": inputs[0]}

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        asked = resolved(cls.options, options or {}, cls.name)
        if isinstance(reading, SeriesReading):
            asked["context"] = reading.steps(asked["context"])
        return cls(series_learning.learn(fit, view, split, asked))

    def to_json(self) -> dict[str, Any]:
        return self.learnt.to_json()

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(Learnt.from_json(codec))

    @property
    def takes(self) -> dict[str, str]:
        known = {each.column: each.kind for each in self.past}
        own = {self.roles.time: "date", self.roles.value: "number"}
        return {name: (known | own).get(name, "category") for name in self.columns}

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": self.reads,
            "context": self.context,
            "columns": 1 + sum(e.width for e in self.past if not isinstance(e, Category)),
            "phases": self.step.phases(np.zeros(1)).shape[-1],
            "season": self.season,
            "outputs": self.horizon,
        }

    def read(self, view: View, split: str | None, rows: int) -> Iterator[pa.RecordBatch]:
        """All rows, series by series and in order of time, with those of the split marked."""
        return series_rows.ordered(view, self.roles, split, rows)

    def examples(
        self, batches: Iterable[pa.RecordBatch], left_out: LeftOut | None = None
    ) -> Iterator[Arrays]:
        """Windows, each with the first row that it is to tell."""
        for rows in series_rows.each_series(batches, self.roles, self.past):
            try:
                line = self.windows.line(rows)
            except LeptonError as error:
                if left_out is None:
                    raise
                first = int(rows.rids[0])
                left_out.unreadable.append(Unreadable(first, error.what, error.where))
                continue
            made = False
            for arrays in self.windows.cut(line, rows):
                made = True
                yield arrays
            if left_out is not None and not made and rows.inside.any():
                first = int(rows.rids[rows.inside.argmax()])
                why = self.windows.too_short(line)
                left_out.unreadable.append(Unreadable(first, why, rows.where))

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """A window for each row, whose columns are lists: one entry for each step of the past.

        With `target`, the last `horizon` steps of each are what is to be told.
        """
        made = [self.windows.given(rows, at, target=target) for at in range(len(rows))]
        arrays = {name: np.concatenate([each[name] for each in made]) for name in made[0]}
        return arrays | ({"row": np.arange(len(made))} if target else {})

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        return batch["past"], batch["phases"]

    def loss(self, outputs: Tensor, batch: Batch, weight: Tensor | None = None) -> Tensor:
        """Huber's, over the steps whose value is known: a few days without rule are no lesson."""
        from torch.nn import functional as F

        target = batch["target"]
        known = ~target.isnan()
        each = F.smooth_l1_loss(outputs, target.nan_to_num(), beta=_ROUND, reduction="none")
        return (each * known).sum() / known.sum()

    def naive(self, batch: Batch) -> Tensor:
        """The value of a season before."""
        import torch

        back = torch.arange(self.horizon) % self.season + self.context - self.season
        return batch["past"][:, back.to(batch["past"].device), 0]

    def keep(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The values and their unit: [n, horizon + 3]."""
        import torch

        return torch.cat([outputs.float(), batch["unit"]], dim=1)

    @property
    def overlap(self) -> int:
        """Windows that begin within one horizon tell the same values."""
        return -(-self.horizon // self.learnt.stride)

    def scorer(self, found: Array, target: Array) -> Scorer:
        answer, truth, scale = self._told(found, target)
        known = np.isfinite(truth)
        error = np.where(known, np.abs(answer - truth), 0.0)
        size = np.where(known, np.abs(answer) + np.abs(truth), 0.0)
        apart = np.divide(2 * error, size, out=np.zeros_like(error), where=size > 0)
        parts = (error / scale, error, error**2, apart, known)
        sums = np.stack([each.sum(1, dtype=np.float64) for each in parts], 1)

        def of(counts: Array) -> dict[str, float]:
            *totals, values = counts @ sums
            scaled, absolute, squared, relative = (each / max(1.0, values) for each in totals)
            # Hyndman & Koehler 2006: 1 is what the value of a season before misses by in training.
            return {
                "mean_absolute_scaled_error": float(scaled),
                "mean_absolute_error": float(absolute),
                "root_mean_squared_error": float(np.sqrt(squared)),
                "smape": float(relative),
            }

        return Scorer(of, len(found))

    def report(self, found: Array, target: Array) -> dict[str, Any]:
        answer, truth, scale = self._told(found, target)
        if not len(truth):
            return {}
        error = answer - truth
        scaled = np.abs(error) / scale
        return {
            "by_step": [
                {
                    "step": step + 1,
                    "mean_absolute_error": _mean(np.abs(error[:, step])),
                    "mean_absolute_scaled_error": _mean(scaled[:, step]),
                }
                for step in range(self.horizon)
            ],
            "residuals": residuals(error[np.isfinite(error)]),
        }

    def verdicts(self, found: Array, target: Array) -> Verdicts:
        """The worst are those that are far off in the unit of their own series."""
        answer, truth, scale = self._told(found, target)
        missed = np.nanmean(np.abs(answer - truth), axis=1)
        return Verdicts(
            badness=missed / scale[:, 0],
            told=missed,
            measure=ERROR,
            truth=lambda at: _few(truth[at]),
            answer=lambda at: _few(answer[at]),
        )

    def solve(self, module: nn.Module, batch: Batch) -> Tensor:
        """The values, their unit, and when they begin, as days, seconds and microseconds."""
        import torch

        kept = self.keep(module(*self.inputs(batch)), batch)
        if "origin" not in batch:  # an example of the training, whose time nobody asks for
            return kept
        at = batch["origin"]
        parts = at.div(DAY, rounding_mode="floor"), at % DAY // SECOND, at % SECOND
        return torch.cat([kept, torch.stack(parts, 1).to(kept)], dim=1)

    def answers(self, found: Array) -> list[Any]:
        made: list[Any] = []
        for row in found.astype(np.float64):
            mean, deviation, _, *origin = row[self.horizon :]
            values = row[: self.horizon] * deviation + mean
            answer: dict[str, Any] = {"values": values.tolist()}
            if origin:
                days, seconds, rest = map(int, origin)
                began = days * DAY + seconds * SECOND + rest
                answer["times"] = _written(self.step.after(began, self.horizon))
            made.append(answer)
        return made

    @property
    def answer_schema(self) -> pa.Schema:
        import pyarrow as pa

        kinds = (self.roles.time, pa.timestamp("us")), (PREDICTION, pa.float64())
        return pa.schema([(name, pa.list_(kind)) for name, kind in kinds])

    def tabulate(self, answers: Sequence[Any]) -> pa.Table:
        import pyarrow as pa

        schema = self.answer_schema
        times = [each and np.array(each["times"], "datetime64[us]") for each in answers]
        values = [each and each["values"] for each in answers]
        cells = [pa.array(each, schema.types[at]) for at, each in enumerate((times, values))]
        return pa.Table.from_arrays(cells, schema=schema)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.roles.series,) if self.roles.series else ()

    def part_of(self, row: Mapping[str, Any]) -> str | None:
        """The series of a row, unless its columns are lists already."""
        if isinstance(row.get(self.roles.time), list):
            return None
        return (label_text(row.get(self.roles.series)) or "") if self.roles.series else ""

    def latest(self, view: View, split: str | None = None) -> list[int]:
        return series_rows.latest(view, self.roles, split)

    def look_up(self, view: View, ids: Sequence[int]) -> dict[int, tuple[dict[str, Any], Any]]:
        """The past of each row up to it, and the values that follow, as far as they are known."""
        back, ahead = self.step.span(2 * self.context), self.step.span(self.horizon)
        return {
            rid: (past, {"values": following[: self.horizon]} if following else None)
            for rid, (past, following) in series_rows.around(
                view, self.roles, ids, back, ahead
            ).items()
        }

    def _told(self, found: Array, target: Array) -> tuple[Array, Array, Array]:
        """Answers and truths [n, horizon] in their own unit, and the scale [n, 1]."""
        units = found[:, self.horizon :].astype(np.float64)
        mean, deviation, scale = (units[:, at, None] for at in range(3))
        answer = found[:, : self.horizon].astype(np.float64) * deviation + mean
        return answer, target.astype(np.float64) * deviation + mean, scale * deviation


def _written(times: Array) -> list[str]:
    """Times as ISO 8601 has them, without what is zero in all of them."""
    unit: Any = "us" if (times % SECOND).any() else "s" if (times % DAY).any() else "D"
    return [str(each) for each in np.datetime_as_string(times.astype("datetime64[us]"), unit=unit)]


def _few(values: Array) -> str:
    """The first of some values in words."""
    told = [f"{value:.4g}" if np.isfinite(value) else "–" for value in values[:_SHOWN]]
    return ", ".join([*told, *(["…"] if len(values) > _SHOWN else [])])


def _mean(errors: Array) -> float | None:
    """None where no value is known."""
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
