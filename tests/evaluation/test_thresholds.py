"""What a model must reach: read from words, and missed by so much."""

import math

import pytest

from core.errors import UsageError
from core.evaluation.thresholds import Threshold, check_metrics, read_thresholds

REPORT = {
    "metrics": {"accuracy": 0.9, "word_error_rate": 0.2, "loss": math.nan, "r2": None},
    "intervals": {"accuracy": (0.85, 0.93), "word_error_rate": None},
}


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ("accuracy=0.9", None),
        ("accuracy=90%", None),
        ("accuracy = 0.95", (0.05, False)),
        ("accuracy=92%", (0.02, True)),
        ("word_error_rate=0.25", None),
        ("word_error_rate=0.15", (0.05, False)),
        ("loss=100", (None, False)),
        ("r2=-5", (None, False)),
    ],
)
def test_less_is_missed_and_more_where_less_is_better(text, missed):
    found = Threshold.read(text).missed(REPORT)
    if missed is None:
        assert found is None
        return
    by, within = missed
    assert found["by"] == (None if by is None else pytest.approx(by))
    assert found["within_interval"] is within


@pytest.mark.parametrize("text", ["accuracy", "=0.9", "accuracy=", "accuracy=high", "accuracy=nan"])
def test_what_says_no_metric_and_number_is_refused(text):
    with pytest.raises(UsageError) as caught:
        read_thresholds([text])
    assert "--fail-under accuracy=0.95" in caught.value.hint


def test_a_metric_is_named_once_and_is_one():
    with pytest.raises(UsageError, match="accuracy is named twice"):
        read_thresholds(["accuracy=0.9", "accuracy=0.8"])
    with pytest.raises(UsageError, match='no metric "acuracy"') as caught:
        check_metrics(read_thresholds(["acuracy=0.9"]), REPORT["metrics"], "model@1")
    assert caught.value.hint == 'Did you mean "accuracy"?'
