"""Settings: every mistake at once, every name with the nearest, and lr as a pure function."""

import math

import pytest

from core.errors import UsageError
from core.training.config import TrainConfig
from core.training.schedule import Rates, learning_rate


def test_every_mistake_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        TrainConfig.from_mapping(
            {
                "epoch": 3,
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
    assert "10 mistakes" in said
    assert 'no setting "epoch". Did you mean "epochs"?' in said
    assert "batch_size must be a whole number from 1 to 2147483647, or auto, not 0" in said
    assert "lr must be a number above 0, or auto, not 'fast'" in said
    assert (
        "schedule must be one of cosine, linear, constant, one-cycle, plateau, not 'stairs'" in said
    )
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


def test_one_cycle_rises_from_a_25th_to_the_peak_and_falls_to_almost_nothing():
    cycle = rates(warmup=0.3, schedule="one-cycle")
    assert cycle[0] == pytest.approx(1 / 25)
    assert cycle[30] == max(cycle) == 1.0
    assert sorted(cycle[:31]) == cycle[:31]
    assert cycle[-1] < 0.01


def test_a_peak_that_was_asked_for_holds_from_its_step_on_whenever_that_comes():
    config = TrainConfig("d", lr=0.5, schedule="linear", warmup=0)
    rates = Rates(config, 10, {4: 0.1})
    whole = [rates.at(step) for step in range(10)]
    linear = [learning_rate(config, step, 10) for step in range(10)]
    assert whole == pytest.approx([*linear[:4], *(rate / 5 for rate in linear[4:])])
    for back in range(10):
        rates.go_back(back)
        assert [rates.at(step) for step in range(back, 10)] == whole[back:]
    rates.ask(9, 0.2)
    rates.go_back(9)
    assert rates.peak == 0.1
    assert rates.at(9) == pytest.approx(whole[9] * 2)


def test_the_names_of_other_tools_are_understood_and_answered_with_ours():
    notes = []
    config = TrainConfig.from_mapping(
        {"dataset": "d", "num_train_epochs": 3, "lr0": 0.1, "bs": 8, "batch_size": 16}, notes
    )
    assert (config.epochs, config.lr, config.batch_size) == (3, 0.1, 16)
    assert notes == [
        "num_train_epochs is called epochs here",
        "lr0 is called lr here",
        "bs is left out: batch_size says the same",
    ]


@pytest.mark.parametrize(
    ("given", "expected", "told"),
    [
        ({"bf16": True}, "bf16", "bf16 is precision=bf16 here"),
        ({"fp16": False}, "auto", None),
        ({"precision": "16-mixed"}, "fp16", None),
        ({"mixed_precision": "no"}, "fp32", "mixed_precision is called precision here"),
        ({"num_workers": 4}, "auto", "num_workers is left out: examples are encoded once"),
        ({"fp16": True, "precision": "bf16"}, "bf16", "fp16 is precision=fp16 here"),
    ],
)
def test_what_others_switch_on_or_need_is_understood(given, expected, told):
    notes = []
    assert TrainConfig.from_mapping({"dataset": "d", **given}, notes).precision == expected
    assert len(notes) == (told is not None)
    assert all(note.startswith(told) for note in notes)


def test_a_batch_that_others_count_for_each_device_is_said_to_be_of_all():
    notes = []
    TrainConfig.from_mapping({"dataset": "d", "per_device_train_batch_size": 8}, notes)
    assert notes[0].endswith("is called batch_size here and counts the examples of all devices")


def test_an_option_of_a_model_may_stand_among_the_settings():
    config = TrainConfig.from_mapping({"dataset": "d", "dropout": 0.2, "options": {"width": 8}})
    assert config.options == {"width": 8, "dropout": 0.2}
    with pytest.raises(UsageError, match='no setting "droput"'):
        TrainConfig.from_mapping({"dataset": "d", "droput": 0.2})


@pytest.mark.parametrize(
    ("given", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), (45, 45)]
)
def test_a_time_is_written_as_people_write_it(given, seconds):
    assert TrainConfig.from_mapping({"dataset": "d", "max_time": given}).max_time == seconds


@pytest.mark.parametrize("given", ["", "soon", "30", "-5m", 0, True, "5 parsecs"])
def test_what_is_no_time_is_refused(given):
    with pytest.raises(UsageError, match="max_time must be a time such as 90s, 30m or 1h30m"):
        TrainConfig.from_mapping({"dataset": "d", "max_time": given})
