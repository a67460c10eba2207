"""What a person asks for is checked as a whole: every mistake in one answer, before any work."""

import pytest

from core.devices import facts
from core.errors import UsageError
from core.runs.store import Runs
from core.training.choice import asked, check_device
from core.training.config import TrainConfig
from core.training.start import start_training


def told(workspace, **settings):
    """What is wrong with settings, one a line."""
    with pytest.raises(UsageError) as caught:
        start_training(workspace, settings)
    assert caught.value.exit_code == 2
    assert Runs(workspace).all() == []
    return [each.what for each in caught.value.several] or [caught.value.what]


@pytest.fixture
def no_accelerator(monkeypatch):
    monkeypatch.setattr(facts, "accelerators", list)


def test_keys_options_names_and_the_device_are_told_together(workspace, penguins, no_accelerator):
    found = told(
        workspace,
        dataset="penguins",
        epochs=0,
        droput=1,
        dropout=7,
        layers=99,
        name="a/b",
        augment="flip",
        device="cuda:1",
    )
    assert [each.split()[0] for each in found] == [
        *("epochs", "there", "this", "flip", "dropout=7", "layers=99", '"a/b"')
    ]


def test_a_column_that_is_missing_does_not_hide_what_else_is_wrong(workspace, penguins):
    found = told(workspace, dataset="penguins", target="spezies", model="mlpp", epochs=0)
    assert [each.split('"')[-2] if '"' in each else each for each in found] == [
        "epochs must be a whole number from 1 to 2147483647, not 0",
        "spezies",
        "mlpp",
    ]
    found = told(workspace, dataset="penguins", target="spezies", model="mlp", dropout=7)
    assert found[1].startswith("dropout=7 cannot be")


def test_options_of_a_task_and_its_model_are_told_together(workspace, penguins):
    found = told(
        workspace,
        dataset="penguinz",
        task="time-series-forecasting",
        horizon=-1,
        season="summer",
        layers=99,
    )
    assert [each.split()[0] for each in found] == ["no", "horizon=-1", "season=summer", "layers=99"]


def test_a_single_mistake_stands_alone_with_its_hint(workspace, penguins):
    with pytest.raises(UsageError) as caught:
        asked(workspace, {"dataset": "penguins", "target": "spezies"})
    assert caught.value.what == 'there is no column "spezies"'
    assert "species" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "there", "wrong"),
    [
        ({"device": "cuda"}, [], 'no device "cuda"'),
        ({"device": "cuda:1"}, ["cuda:0"], 'no device "cuda:1"'),
        ({"device": "cuda", "devices": 3}, ["cuda:0", "cuda:1"], "needs cuda:2"),
        ({"device": "auto", "devices": 3}, ["cuda:0", "cuda:1"], "needs cuda:2"),
        ({"device": "mps"}, ["cuda:0"], 'no device "mps"'),
        ({"device": "cuda"}, ["cuda:0"], None),
        ({"device": "cuda:1"}, ["cuda:0", "cuda:1"], None),
        ({"device": "auto", "devices": 2}, [], None),
        ({"device": "cpu", "devices": 2}, [], None),
        ({}, [], None),
    ],
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, settings, there, wrong):
    monkeypatch.setattr(facts, "accelerators", lambda: None)
    monkeypatch.setattr(facts, "ask_torch", lambda: there)
    config = TrainConfig.from_mapping({"dataset": "any", **settings})
    if wrong is None:
        check_device(config)
        return
    with pytest.raises(UsageError, match=wrong) as caught:
        check_device(config)
    assert caught.value.hint == f"There are: {', '.join([*there, 'cpu'])}."
