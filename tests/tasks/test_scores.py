"""Metrics, against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch

from core.inference.forward import naive
from core.tasks.base import UNKNOWN
from core.tasks.classification import NOT_IN_TRAINING
from core.tasks.table import TableCodec
from core.tasks.tabular_classification import TabularClassification
from core.tasks.tabular_regression import TabularRegression


def classes(*labels, counts=()):
    return TabularClassification(TableCodec(()), "y", labels, counts=counts)


def random_case(size, rows, seed, unseen=0):
    random = np.random.default_rng(seed)
    # Quarters: sums of them are exact, so ties are ties in any precision.
    outputs = ((random.normal(size=(rows, size)) * 4).round() / 4).astype(np.float32)
    target = random.integers(0, size, rows)
    outputs[np.arange(rows), target] += 1
    target[:unseen] = UNKNOWN
    return outputs, target


@pytest.mark.parametrize(
    ("size", "rows", "unseen"), [(2, 200, 0), (5, 300, 0), (5, 300, 40), (8, 6, 0), (2, 50, 5)]
)
def test_classification_scores_are_those_of_scikit_learn(size, rows, unseen):
    outputs, target = random_case(size, rows, seed=size + rows, unseen=unseen)
    scores = classes(*"abcdefgh"[:size]).scores(outputs, target)
    answer = outputs.argmax(1)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": sk.accuracy_score(target, answer),
        "f1_macro": sk.f1_score(target, answer, **macro),
        "precision_macro": sk.precision_score(target, answer, **macro),
        "recall_macro": sk.recall_score(target, answer, **macro),
    }
    if size == 2:
        known = target != UNKNOWN
        margin = (outputs[:, 1] - outputs[:, 0])[known]
        expected["auroc"] = sk.roc_auc_score(target[known], margin)
    assert scores == pytest.approx(expected)


def test_the_report_agrees_with_scikit_learn():
    outputs, target = random_case(4, 200, seed=3)
    report = classes(*"abcd").report(outputs, target)
    answer = outputs.argmax(1)
    assert report["confusion"]["labels"] == ["a", "b", "c", "d"]
    assert report["confusion"]["matrix"] == sk.confusion_matrix(target, answer).tolist()
    columns = zip(*sk.precision_recall_fscore_support(target, answer), strict=True)
    for row, expected in zip(report["per_class"], columns, strict=True):
        found = [row[name] for name in ("precision", "recall", "f1", "support")]
        assert found == pytest.approx(expected)


def test_a_class_that_training_did_not_have_counts_as_wrong_and_is_shown():
    task = classes("cat", "dog")
    outputs = np.array([[2, 0], [0, 2], [3, 0]], np.float32)
    target = np.array([0, 1, UNKNOWN])
    assert task.scores(outputs, target)["accuracy"] == pytest.approx(2 / 3)
    report = task.report(outputs, target)
    assert report["confusion"] == {
        "labels": ["cat", "dog", NOT_IN_TRAINING],
        "matrix": [[1, 0, 0], [0, 1, 0], [1, 0, 0]],
    }
    (mistake,) = task.verdicts(outputs, target).mistakes()
    assert (mistake["row"], mistake["truth"], mistake["answer"]) == (2, NOT_IN_TRAINING, "cat")


def test_the_surest_mistakes_come_first():
    outputs = np.array([[1, 0], [5, 0], [0, 9], [3, 0]], np.float32)
    mistakes = classes("a", "b").verdicts(outputs, np.array([1, 1, 1, 1])).mistakes()
    assert [mistake["row"] for mistake in mistakes] == [1, 3, 0]


def test_answers_are_probabilities_best_first():
    (answer,) = classes("a", "b", "c").answers(np.array([[0.0, 1000.0, 0.0]], np.float32))
    assert (answer["label"], answer["score"]) == ("b", 1.0)
    assert list(answer["scores"]) == ["b", "a", "c"]
    (answer,) = classes("a", "b", "c").answers(np.log(np.array([[0.2, 0.3, 0.5]], np.float32)))
    assert answer["scores"] == pytest.approx({"c": 0.5, "b": 0.3, "a": 0.2})


def test_the_baseline_is_the_commonest_class_of_training():
    target = np.array([0, 0, 0, 1])
    task = classes("a", "b", counts=(1, 3))
    told = naive(task, {"target": torch.from_numpy(target)}, batch_size=3)
    scores = task.scores(told.found, target)
    assert (scores["accuracy"], scores["auroc"]) == (0.25, 0.5)
    assert told.loss == pytest.approx(-(3 * np.log(0.25) + np.log(0.75)) / 4)


def test_scores_of_nothing_and_of_one_class_do_not_fail():
    task = classes("a", "b")
    assert task.scores(np.empty((0, 2), np.float32), np.empty(0, np.int64))["accuracy"] == 0
    assert "auroc" not in task.scores(np.zeros((3, 2), np.float32), np.zeros(3, np.int64))


def regression():
    return TabularRegression(TableCodec(()), "y", mean=100.0, std=20.0)


def test_regression_scores_are_those_of_scikit_learn_in_the_targets_unit():
    random = np.random.default_rng(5)
    target = random.normal(size=400).astype(np.float32)
    outputs = (target + random.normal(size=400) * 0.5).astype(np.float32)[:, None]
    truth, answer = target * 20.0 + 100, outputs[:, 0] * 20.0 + 100
    assert regression().scores(outputs, target) == pytest.approx(
        {
            "r2": sk.r2_score(truth, answer),
            "mean_absolute_error": sk.mean_absolute_error(truth, answer),
            "root_mean_squared_error": sk.root_mean_squared_error(truth, answer),
        },
        rel=1e-5,
    )


def test_the_baseline_of_a_number_is_the_mean_of_training():
    target = np.array([0.5, -0.5], np.float32)
    told = naive(regression(), {"target": torch.from_numpy(target)}, batch_size=8)
    scores = regression().scores(told.found, target)
    assert scores["r2"] == pytest.approx(0)
    assert scores["mean_absolute_error"] == pytest.approx(10)


def test_regression_answers_and_residuals_are_in_the_targets_unit():
    outputs = np.array([[0.0], [1.0], [-3.0]], np.float32)
    assert regression().answers(outputs) == [100, 120, 40]
    report = regression().report(outputs, np.zeros(3, np.float32))
    assert report["residuals"]["mean"] == pytest.approx((20 - 60) / 3)
    assert sum(report["residuals"]["histogram"]["counts"]) == 3
    worst = regression().verdicts(outputs, np.zeros(3, np.float32)).mistakes()[0]
    assert (worst["row"], worst["truth"], worst["answer"], worst["error"]) == (2, 100, 40, -60)
