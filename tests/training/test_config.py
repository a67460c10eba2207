"""Settings: every mistake at once, every name with the nearest, and lr as a pure function."""

import math

import pytest

from core.errors import UsageError
from core.training.config import TrainConfig, learning_rate


def test_every_mistake_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        TrainConfig.from_mapping(
            {
                "epoch": 3,
                "learning_rate": 0.1,
                "batch_size": 0,
                "lr": "fast",
                "schedule": "stairs",
                "deterministic": "yes",
                "epochs": True,
                "warmup": math.nan,
                "inputs": [],
                "options": ["dropout"],
            }
        )
    said = str(caught.value)
    assert "11 mistakes" in said
    assert 'no setting "epoch". Did you mean "epochs"?' in said
    assert 'no setting "learning_rate". Here it is called "lr".' in said
    assert "batch_size must be a whole number from 1 to 2147483647, not 0" in said
    assert "lr must be a number above 0, not 'fast'" in said
    assert "schedule must be one of cosine, linear, constant, not 'stairs'" in said
    assert "deterministic must be true or false, not 'yes'" in said
    assert "epochs must be a whole number from 1 to 2147483647, not True" in said
    assert "warmup must be a number from 0 up, not nan" in said
    assert "inputs must be a list of column names, not []" in said
    assert "options must be a table of names and values" in said
    assert "dataset is missing" in said
    assert caught.value.exit_code == 2


def test_settings_survive_json():
    given = {"dataset": "d", "inputs": ["a", "b"], "lr": 1, "options": {"dropout": 0.2}}
    config = TrainConfig.from_mapping(given)
    assert config.inputs == ("a", "b")
    assert isinstance(config.lr, float)
    assert TrainConfig.from_mapping(config.to_json()) == config


def rates(steps=100, **settings):
    config = TrainConfig(dataset="d", lr=1.0, **settings)
    return [learning_rate(config, step, steps) for step in range(steps)]


def test_the_rate_warms_up_then_falls():
    cosine = rates(warmup=0.1)
    assert cosine[:10] == pytest.approx([n / 11 for n in range(1, 11)])
    assert cosine[10] == 1.0
    assert cosine[55] == pytest.approx(0.5)
    assert sorted(cosine[10:], reverse=True) == cosine[10:]
    assert 0 < cosine[-1] < 0.01


def test_warmup_from_one_up_counts_steps():
    assert rates(warmup=4, schedule="constant")[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_linear_and_constant_schedules():
    assert rates(warmup=0, schedule="linear")[::25] == pytest.approx([1, 0.75, 0.5, 0.25])
    assert set(rates(warmup=0, schedule="constant")) == {1.0}


def test_a_warmup_longer_than_the_run_never_reaches_the_peak():
    assert max(rates(steps=5, warmup=50)) < 1.0
