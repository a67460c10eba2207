"""Two models on the same rows: a test that is exact, the rows that changed, what cannot be held."""

import numpy as np
import pytest
from scipy.stats import binomtest

from core.errors import UsageError
from core.evaluation.against import (
    BROKEN,
    FIXED,
    MCNEMAR,
    PAIRED,
    UNPAIRED,
    compared,
    mcnemar,
)
from core.evaluation.evaluate import evaluate_model
from core.evaluation.judge import Judgement
from tests.evaluation.conftest import train
from tests.evaluation.test_evaluate import answers_one_by_one
from tests.tasks.test_counts import of_classes, of_numbers


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (5, 0), (10, 3), (58, 27), (4000, 4100)])
def test_the_test_is_the_exact_one(fixed, broken):
    whole = fixed + broken
    expected = binomtest(fixed, whole).pvalue if whole else 1.0
    assert mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-6)
    assert mcnemar(broken, fixed) == mcnemar(fixed, broken)


def judgement(kind, found, target, rids=None):
    rids = np.arange(len(found)) if rids is None else rids
    return Judgement(kind, rids, target, found, np.zeros_like(found), 0.0, 0.0)


def test_the_rows_that_changed_are_told_apart(workspace, lake, credit):
    barely = train(workspace, "credit", name="barely", epochs=1, lr=3e-4)
    report = evaluate_model(workspace, "credit", against="barely")
    truth, now = answers_one_by_one(lake, credit, "credit@2", "test")
    _, before = answers_one_by_one(lake, barely, "credit@2", "test")
    triples = [(t, b["label"], n["label"]) for t, b, n in zip(truth, before, now, strict=True)]
    fixed = sum(b != t == n for t, b, n in triples)
    broken = sum(b == t != n for t, b, n in triples)
    found = report.against
    assert (found["model"], found["rows"], found["paired"]) == ("barely@1", report.rows, True)
    assert (found[FIXED], found[BROKEN]) == (fixed, broken)
    assert fixed > broken > 0
    assert found["test"] == {
        "name": MCNEMAR,
        "metric": "accuracy",
        "p": pytest.approx(binomtest(fixed, fixed + broken).pvalue),
    }
    assert found["verdict"] == "better"
    apart = found["differences"]["accuracy"]
    assert apart["difference"] == pytest.approx((fixed - broken) / report.rows)
    low, high = apart["interval"]
    assert 0 < low < apart["difference"] < high
    with lake.open(report.dataset) as view:
        (row,) = view.rows([found["changed"][0]["_rid"]])
    one = found["changed"][0]
    assert (one["change"], row["Status"], one["before"]) == (BROKEN, one["truth"], one["truth"])
    assert one["now"] != one["truth"]

    back = evaluate_model(workspace, "barely", against="credit").against
    assert (back[FIXED], back[BROKEN], back["verdict"]) == (broken, fixed, "worse")
    assert back["differences"]["accuracy"]["difference"] == pytest.approx(-apart["difference"])


def test_a_model_is_no_better_than_itself(workspace, credit):
    found = evaluate_model(workspace, "credit", against="credit").against
    assert (found["verdict"], found["test"]["p"], found["changed"]) == (None, 1.0, [])


def test_pairing_sees_what_two_intervals_do_not():
    """The same few rows are better in one: their own spread has nothing to do with it."""
    kind, found, target = of_numbers(np.random.default_rng(1))
    worse = found + np.where(found[:, 0] > target, 0.2, -0.2)[:, None].astype(np.float32)
    one, other = judgement(kind, found, target), judgement(kind, worse, target)
    told = compared(one, other)
    assert told["test"]["name"] == PAIRED
    assert told["verdict"] == "better"
    assert told[FIXED] == len(target)
    shuffled = judgement(kind, worse, target, np.zeros(len(target), np.int64))
    apart = compared(one, shuffled)
    assert (apart["test"]["name"], apart["verdict"]) == (UNPAIRED, None)
    assert (apart[FIXED], apart["changed"]) == (None, [])


def test_only_the_rows_that_both_have_are_held_against_each_other():
    kind, found, target = of_classes(np.random.default_rng(2), 3)
    one = judgement(kind, found, target)
    rows = np.random.default_rng(3).permutation(len(target))[:25]
    told = compared(one, judgement(kind, found[rows], target[rows], rows))
    assert (told["rows"], told[FIXED], told[BROKEN]) == (25, 0, 0)


def test_models_of_other_questions_are_not_compared(workspace, credit, mass):
    with pytest.raises(UsageError, match="cannot be compared") as caught:
        evaluate_model(workspace, "credit", against="mass")
    assert "Status" in str(caught.value)
    assert "body_mass_g" in str(caught.value)
