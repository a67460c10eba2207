"""What every task with classes shares: learning the labels, loss, metrics, report and answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from core.data.lake.view import View, quoted
from core.data.several_labels import label_text
from core.errors import LeptonError
from core.tasks.answer_table import with_scores
from core.tasks.base import UNKNOWN, Fit, Task
from core.tasks.rows import condition, label_order, skipped_note, values
from core.tasks.scoring import Scorer
from core.tasks.verdicts import SCORE, Verdicts

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from core.tasks.base import Arrays, Rows

Array = np.ndarray[Any, Any]

NOT_IN_TRAINING = "(not in training)"
_MOST_CLASSES = 1000
_OTHER = "Name another column with --target."


class Classification(Task):
    """A task whose answer is one of the labels of the training split."""

    metric: ClassVar[str] = "accuracy"
    gives: ClassVar[str] = "label"
    mixes: ClassVar[bool] = True
    tells_classes: ClassVar[bool] = True
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    """How many training rows each label has; empty where it was not kept."""

    @classmethod
    def for_fit(cls, fit: Fit) -> type[Task]:
        return cls.for_labels(fit.separator)

    @classmethod
    def for_labels(cls, separator: str) -> type[Self]:
        """The task for rows of one label, or of several where a separator says how they come."""
        from core.tasks.many_labels import of_many

        return cast("type[Self]", of_many(cls, separator)) if separator else cls

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        cls.learn_labels(view, fit, None)

    @classmethod
    def learn_labels(
        cls, view: View, fit: Fit, split: str | None
    ) -> tuple[dict[str, int], list[str]]:
        """The labels of one split with their rows, and notes; see `learn_labels`."""
        return learn_labels(view, fit, split)

    def strangers(self, fit: Fit, view: View) -> list[str]:
        labels, _ = self.learn_labels(view, fit, None)
        return [label for label in labels if label not in self.labels]

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls.for_labels(codec.get("separator", "")).restored(codec)

    @classmethod
    @abstractmethod
    def restored(cls, codec: Mapping[str, Any]) -> Self:
        """The task of a codec that is for its kind of labels."""

    @abstractmethod
    def encode_inputs(self, rows: Rows, kept: Array | None) -> Arrays:
        """Arrays of the input columns, for the rows at the positions `kept` or for all."""

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        if not target:
            return self.encode_inputs(rows, None)
        targets = self.encode_target(rows)
        return {**self.encode_inputs(rows, targets["row"]), **targets}

    def encode_target(self, rows: Rows) -> Arrays:
        codes = {label: code for code, label in enumerate(self.labels)}
        texts = [label_text(value) for value in values(rows, self.target)]
        kept = np.array([at for at, text in enumerate(texts) if text is not None], np.int64)
        encoded = np.array([codes.get(texts[at] or "", UNKNOWN) for at in kept], np.int64)
        return {"target": encoded, "row": kept}

    def loss(
        self, outputs: Tensor, batch: dict[str, Tensor], weight: Tensor | None = None
    ) -> Tensor:
        from torch.nn import functional as F

        target = batch["target"]
        if weight is None:
            return F.cross_entropy(outputs, target, ignore_index=UNKNOWN)
        each = F.cross_entropy(outputs, target, ignore_index=UNKNOWN, reduction="none")
        return (weight * each).sum() / (target != UNKNOWN).sum()

    def even_loss(self, outputs: Tensor) -> Tensor:
        return -outputs.log_softmax(1).mean()

    def scorer(self, found: Array, target: Array) -> Scorer:
        size = found.shape[1] + 1  # the last is UNKNOWN
        pairs = np.where(target == UNKNOWN, size - 1, target) * size + found.argmax(1)
        # Examples of one truth and one answer count together: there are far fewer of these.
        kinds, which = np.unique(pairs, return_inverse=True)
        truth, answer = kinds // size, kinds % size
        right = truth == answer
        area = None
        if found.shape[1] == 2:
            known = target != UNKNOWN
            area = auroc(found[known, 1].astype(np.float64) - found[known, 0], target[known])

        def of(counts: Array) -> dict[str, float]:
            each = np.bincount(which, counts, len(kinds))
            said, support = np.bincount(answer, each, size), np.bincount(truth, each, size)
            hits = np.bincount(truth, each * right, size)
            precision, recall, f1 = rates(hits, said, support)
            # As scikit-learn: the mean over classes that occur in the truth or among the answers.
            there = (support + said) > 0
            scores = {
                "accuracy": float(hits.sum() / max(1, counts.sum())),
                "f1_macro": _mean(f1[there]),
                "precision_macro": _mean(precision[there]),
                "recall_macro": _mean(recall[there]),
            }
            if area is not None and (under := area(counts[known])) is not None:
                scores["auroc"] = under
            return scores

        return Scorer(of, len(target))

    def losses(self, found: Array, target: Array) -> Array | None:
        own = np.take_along_axis(found, np.maximum(target, 0)[:, None], 1)[:, 0]
        most = found.max(1)
        whole = np.log(np.exp(found.astype(np.float64) - most[:, None]).sum(1)) + most
        return np.where(target == UNKNOWN, np.nan, whole - own)

    def confidence(self, found: Array, target: Array) -> tuple[Array, Array] | None:
        return softmax(found).max(1), found.argmax(1) == target

    def naive(self, batch: dict[str, Tensor]) -> Tensor:
        """Each label as likely as it is among the training rows."""
        import torch

        target = batch["target"]
        counts = torch.tensor(self.counts or [1] * len(self.labels), dtype=torch.float32)
        return (counts / counts.sum()).log().to(target.device).expand(len(target), -1)

    def report(self, found: Array, target: Array) -> dict[str, Any]:
        matrix = confusion(found, target)
        labels = list(self.labels)
        if matrix[-1].any():
            labels.append(NOT_IN_TRAINING)
        size = len(labels)
        columns = zip(labels, *(each.tolist() for each in per_class(matrix)), strict=False)
        names = ("label", "precision", "recall", "f1", "support")
        return {
            "confusion": {"labels": labels, "matrix": matrix[:size, :size].tolist()},
            "per_class": [dict(zip(names, row, strict=True)) for row in columns],
        }

    def answers_in_bulk(self, found: Array) -> pa.Table:
        import pyarrow as pa

        chances = softmax(found)
        best = found.argmax(1)
        labels = pa.array(self.labels, pa.string()).take(pa.array(best))
        score = pa.array(np.take_along_axis(chances, best[:, None], 1)[:, 0])
        return with_scores(self.answer_schema, [labels, score], chances)

    def answers(self, found: Array) -> list[dict[str, Any]]:
        answers = []
        for row in softmax(found):
            best = np.argsort(-row, kind="stable")
            scores = {self.labels[at]: float(row[at]) for at in best}
            answers.append(
                {"label": self.labels[best[0]], "score": float(row[best[0]]), "scores": scores}
            )
        return answers

    def verdicts(self, found: Array, target: Array) -> Verdicts:
        """The worst are the wrong answers that the model was surest of."""
        answer, sure = found.argmax(1), softmax(found).max(1)
        wrong = answer != target
        named = (*self.labels, NOT_IN_TRAINING)  # UNKNOWN is the last of them
        return Verdicts(
            badness=np.where(wrong, sure, 0.0),
            told=sure,
            measure=SCORE,
            truth=lambda at: named[target[at]],
            answer=lambda at: named[answer[at]],
            wrong=wrong,
        )


def learn_labels(view: View, fit: Fit, split: str | None) -> tuple[dict[str, int], list[str]]:
    """The classes of one split, in order, with their rows; and a note when rows have none.

    Raises:
        LeptonError: the column has no value, one class only, or nearly a class for each row.
    """
    where, parameters = condition(view, split)
    counted = view.sql(
        f"SELECT {quoted(fit.target)}, count(*) FROM rows WHERE {where} GROUP BY 1", parameters
    )
    counts: dict[str, int] = {}
    empty = 0
    for value, rows in counted:
        text = label_text(value)
        if text is None:
            empty += rows
        else:
            counts[text] = counts.get(text, 0) + rows
    place = f"{view.version.ref}, {split} split" if split else view.version.ref
    check_count(fit.target, len(counts), sum(counts.values()), place)
    if len(counts) == 1:
        only = next(iter(counts))
        raise LeptonError(
            f'the label column "{fit.target}" has one class, "{only}"', where=place, hint=_OTHER
        )
    ordered = {label: counts[label] for label in sorted(counts, key=label_order)}
    return ordered, skipped_note(fit.target, empty)


def check_count(target: str, classes: int, rows: int, place: str) -> None:
    """Whether there are as many classes as can be learnt.

    Raises:
        LeptonError: there is none, or nearly one for each row.
    """
    if not classes:
        raise LeptonError(f'the label column "{target}" has no value', where=place, hint=_OTHER)
    if classes > max(_MOST_CLASSES, rows // 2):
        raise LeptonError(
            f'the label column "{target}" has {classes} classes in {rows} rows: too few rows for'
            " each",
            where=place,
            hint=_OTHER,
        )


def confusion(outputs: Array, target: Array) -> Array:
    """Counts, int64 [k+1, k+1]: row = truth, column = answer; the last row is UNKNOWN."""
    size = outputs.shape[1] + 1
    truth = np.where(target == UNKNOWN, size - 1, target)
    pairs = truth * size + outputs.argmax(1)
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def per_class(matrix: Array) -> tuple[Array, Array, Array, Array]:
    """Precision, recall, F1 and support of each class; 0 where there is nothing to divide by."""
    answered, support = matrix.sum(0), matrix.sum(1)
    return (*rates(np.diag(matrix), answered, support), support)


def rates(right: Array, answered: Array, support: Array) -> tuple[Array, Array, Array]:
    """Precision, recall and F1, float64, of how often a class was right, said, and the truth."""
    return (
        right / np.maximum(1, answered),
        right / np.maximum(1, support),
        2 * right / np.maximum(1, answered + support),
    )


def auroc(score: Array, target: Array) -> Callable[[Array], float | None]:
    """Area under the ROC curve for classes 0 and 1, by ranks, of examples that count so often; None
    when one class is absent."""
    places, which = np.unique(score, return_inverse=True)
    one = target == 1

    def area(counts: Array) -> float | None:
        positives = np.bincount(which, counts * one, len(places))
        negatives = np.bincount(which, counts * ~one, len(places))
        pairs = positives.sum() * negatives.sum()
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / pairs) if pairs else None

    return area


def softmax(outputs: Array) -> Array:
    """Probabilities, float64 [n, k]."""
    shifted = np.exp(outputs.astype(np.float64) - outputs.max(1, keepdims=True))
    normalised: Array = shifted / shifted.sum(1, keepdims=True)
    return normalised


def _mean(array: Array) -> float:
    return float(array.mean()) if len(array) else 0.0
