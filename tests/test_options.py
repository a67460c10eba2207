"""Options of models and tasks: their bounds, and what is said of a value that cannot be."""

import pytest

from core.errors import UsageError
from core.options import Option, defaults_of, resolved
from core.tasks import TASKS, task
from core.training.config import TrainConfig

KNOWN = (
    Option("size", 0, "of a side", 64, 512, auto=True, multiple=32),
    Option("dropout", 0.1, "share", 0, 0.9),
    Option("stem", "full", "how it begins", choices=("full", "strided")),
    Option("series", "", "a column", auto=True),
)


def test_what_is_not_given_is_at_its_default():
    assert resolved(KNOWN, {"size": "96"}, "x") == {**defaults_of(KNOWN), "size": 96}
    assert resolved(KNOWN, {"series": "any column"}, "x")["series"] == "any column"
    assert resolved(KNOWN, {"size": 0}, "x")["size"] == 0
    assert resolved(KNOWN, {"dropout": 0.3}, "x")["dropout"] == 0.3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"size": 32}, "a multiple of 32 from 64 to 512, or 0 to choose it from the rows"),
        ({"size": 100}, "a multiple of 32"),
        ({"size": 96.5}, "a multiple of 32"),
        ({"dropout": 1}, "a number from 0 to 0.9"),
        ({"dropout": True}, "a number from 0 to 0.9"),
        ({"stem": "half"}, "one of full, strided"),
        ({"sise": 64}, 'no option "sise"'),
    ],
)
def test_what_cannot_be_says_what_can(given, says):
    with pytest.raises(UsageError, match=says):
        resolved(KNOWN, given, "x")


@pytest.mark.parametrize("name", TASKS)
def test_options_of_tasks_are_settings_of_a_training_too(name):
    for option in task(name).options:
        config = TrainConfig.from_mapping({"dataset": "x", option.name: option.default})
        assert config.options == {option.name: option.default}
