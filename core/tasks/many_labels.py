"""Classification where a row has several labels, or none: laid over the tasks of one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from core.data.lake.view import View, quoted
from core.data.several_labels import labels_in
from core.errors import LeptonError
from core.tasks.base import Fit
from core.tasks.classification import Array, Classification, check_count, rates
from core.tasks.rows import condition, label_order, skipped_note, values
from core.tasks.scoring import Scorer
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from core.tasks.base import Arrays, Rows

_LEAST, _MOST = 1e-6, 1 - 1e-6
_SAID = 0.5
"""The probability above which a label is told: that of a logit of 0."""


@cache
def of_many(kind: type[Classification], separator: str) -> type[Classification]:
    """The task `kind` for rows of several labels, written as `separator` says (`labels_in`)."""
    made = type(kind.__name__, (ManyLabels, kind), {"separator": separator})
    return cast("type[Classification]", made)


class ManyLabels(Classification):
    """Each label is a question of its own, and a row answers to any number of them.

    Targets are uint8 [n, labels + 1]: which labels a row has, and in the last column how many that
    training did not have. A label is told from a probability of one half up.
    """

    metric: ClassVar[str] = "mean_average_precision"
    gives: ClassVar[str] = "labels"
    tells_classes: ClassVar[bool] = False
    separator: ClassVar[str]
    rows: int
    """The training rows, of which `counts` have each label."""

    @classmethod
    def split_way(cls, inputs: Sequence[str]) -> Mapping[str, Any]:
        # Hardly two rows have the same labels: each would be a class that keeps a training row.
        return {"random": True}

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        **reading: Any,
    ) -> Self:
        task = super().learn(fit, view, split, options, **reading)
        where, parameters = condition(view, split)
        ((task.rows,),) = view.sql(
            f"SELECT count({quoted(fit.target)}) FROM rows WHERE {where}", parameters
        )
        return task

    @classmethod
    def learn_labels(
        cls, view: View, fit: Fit, split: str | None
    ) -> tuple[dict[str, int], list[str]]:
        """The labels of one split, in order, with their rows; and a note when rows have no value.

        Raises:
            LeptonError: there is no label, too many, or every row has all of them.
        """
        where, parameters = condition(view, split)
        counts: Counter[str] = Counter()
        rows = empty = 0
        for value, count in view.sql(
            f"SELECT {quoted(fit.target)}, count(*) FROM rows WHERE {where} GROUP BY 1", parameters
        ):
            if value is None:
                empty += count
                continue
            rows += count
            for label in labels_in(value, cls.separator):
                counts[label] += count
        place = f"{view.version.ref}, {split} split" if split else view.version.ref
        if counts and all(count == rows for count in counts.values()):
            raise LeptonError(
                f'every row has the same labels in "{fit.target}": {", ".join(counts)}',
                where=place,
                hint="Name another column with --target.",
            )
        check_count(fit.target, len(counts), counts.total(), place)
        ordered = {label: counts[label] for label in sorted(counts, key=label_order)}
        return ordered, skipped_note(fit.target, empty)

    def to_json(self) -> dict[str, Any]:
        codec = super().to_json()  # type: ignore[safe-super]
        return {**codec, "separator": self.separator, "rows": self.rows}

    @classmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        task = super().restored(codec)
        task.rows = int(codec["rows"])
        return task

    def encode_target(self, rows: Rows) -> Arrays:
        codes = {label: code for code, label in enumerate(self.labels)}
        known = values(rows, self.target)
        kept = np.array([at for at, value in enumerate(known) if value is not None], np.int64)
        target = np.zeros((len(kept), len(codes) + 1), np.uint8)
        for number, at in enumerate(kept):
            for label in labels_in(known[at], self.separator):
                target[number, codes.get(label, -1)] += 1
        return {"target": target, "row": kept}

    def loss(
        self, outputs: Tensor, batch: dict[str, Tensor], weight: Tensor | None = None
    ) -> Tensor:
        from torch.nn import functional as F

        target = batch["target"][:, :-1].to(outputs.dtype)
        each = F.binary_cross_entropy_with_logits(outputs, target, reduction="none").mean(1)
        return each.mean() if weight is None else (weight * each).mean()

    def naive(self, batch: dict[str, Tensor]) -> Tensor:
        """Each label as likely as it is among the training rows."""
        import torch

        target = batch["target"]
        shares = torch.tensor(self.counts, dtype=torch.float32) / max(1, self.rows)
        logits = shares.clamp(_LEAST, _MOST).logit()
        return logits.to(target.device).expand(len(target), -1)

    def scorer(self, found: Array, target: Array) -> Scorer:
        truth, answer = target[:, :-1] > 0, found > 0
        unknown = target[:, -1].astype(np.int64)
        exact = (truth == answer).all(1) & (unknown == 0)
        both, told, own = (each.astype(np.float64) for each in (truth & answer, answer, truth))
        ranked = [
            ranking(found[:, at], truth[:, at])
            for at in range(truth.shape[1])
            if truth[:, at].any()
        ]

        def of(counts: Array) -> dict[str, float]:
            right, said, there = counts @ both, counts @ told, counts @ own
            precision, recall, f1 = rates(right, said, there)
            areas = [area for each in ranked if (area := each(counts)) is not None]
            # As scikit-learn: the mean over labels that occur in the truth or among the answers.
            occurs = (there + said) > 0
            micro = 2 * right.sum() / max(1, said.sum() + there.sum() + counts @ unknown)
            return {
                "mean_average_precision": _mean(areas),
                "f1_micro": float(micro),
                "f1_macro": _mean(f1[occurs]),
                "precision_macro": _mean(precision[occurs]),
                "recall_macro": _mean(recall[occurs]),
                "subset_accuracy": float(counts @ exact / max(1, counts.sum())),
            }

        return Scorer(of, 4 * truth.size)

    def losses(self, found: Array, target: Array) -> Array | None:
        loss: Array = np.logaddexp(0, np.where(target[:, :-1] > 0, -found, found)).mean(1)
        return loss

    def confidence(self, found: Array, target: Array) -> tuple[Array, Array] | None:
        """Of each label of each row: its probability, and whether the row has it."""
        return _sigmoid(found), target[:, :-1] > 0

    def report(self, found: Array, target: Array) -> dict[str, Any]:
        truth, answer = target[:, :-1] > 0, found > 0
        right, said, there = (truth & answer).sum(0), answer.sum(0), truth.sum(0)
        columns = zip(
            self.labels,
            *(e.tolist() for e in rates(right, said, there)),
            there.tolist(),
            strict=True,
        )
        names = ("label", "precision", "recall", "f1", "support")
        return {
            "per_class": [dict(zip(names, row, strict=True)) for row in columns],
            "per_class_of": f"labels with a score above {_SAID:.0%}",
        }

    def verdicts(self, found: Array, target: Array) -> Verdicts:
        """The worst are those with the highest loss of which a label is wrong."""
        truth, answer = target[:, :-1] > 0, found > 0
        wrong = (truth != answer).any(1) | (target[:, -1] > 0)
        loss = self.losses(found, target)
        assert loss is not None
        return Verdicts(
            # A loss may be 0 where a label of the truth is unknown.
            badness=np.where(wrong, np.maximum(loss, 1e-12), 0.0),
            told=loss,
            measure=ERROR,
            truth=lambda at: self._named(truth[at], int(target[at, -1])),
            answer=lambda at: self._named(answer[at], 0),
            wrong=wrong,
        )

    def answers_in_bulk(self, found: Array) -> pa.Table:
        return self.tabulate(self.answers(found))

    def answers(self, found: Array) -> list[dict[str, Any]]:
        answers = []
        for row in _sigmoid(found):
            best = np.argsort(-row, kind="stable")
            answers.append(
                {
                    "labels": [self.labels[at] for at in best if row[at] > _SAID],
                    "scores": {self.labels[at]: float(row[at]) for at in best},
                }
            )
        return answers

    def truth(self, cell: object) -> Any:
        return None if cell is None else {"labels": labels_in(cell, self.separator)}

    def _named(self, chosen: Array, unknown: int) -> str:
        named = [label for label, has in zip(self.labels, chosen, strict=True) if has]
        more = [f"{unknown} not in training"] if unknown else []
        return ", ".join([*named, *more]) or "none"


def average_precision(score: Array, truth: Array) -> float:
    """The mean precision at each of the true ones, from the highest score down, as scikit-learn
    counts it: equal scores are one place. Some of `truth`, bool [n], is true."""
    found = ranking(score, truth)(np.ones(len(score)))
    assert found is not None
    return found


def ranking(score: Array, truth: Array) -> Callable[[Array], float | None]:
    """`average_precision` of examples that count so often; None where none is true."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    true = truth[order]

    def precision(counts: Array) -> float | None:
        taken = counts[order]
        said, right = np.cumsum(taken)[last], np.cumsum(taken * true)[last]
        if not right[-1]:
            return None
        gained = np.diff(right, prepend=0)
        return float((gained * right / np.maximum(1, said)).sum() / right[-1])

    return precision


def _sigmoid(logits: Array) -> Array:
    chances: Array = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return chances


def _mean(array: Array | Sequence[float]) -> float:
    return float(np.mean(array)) if len(array) else 0.0
