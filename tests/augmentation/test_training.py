"""A training with augmentation, in a real run, from its start to rows it never saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.errors import UsageError
from core.evaluation.evaluate import evaluate_model
from core.ingest import ingest
from core.models.registry import Models
from core.training.config import TrainConfig
from core.training.start import start_training
from core.workspace import Workspace
from tests.training.conftest import few

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "home")


@pytest.mark.slow
def test_trained_with_changed_pictures_it_knows_those_it_never_saw(workspace: Workspace) -> None:
    few(workspace, "digits", "images/mnist5k", "_rid % 4 = 0")
    run = start_training(
        workspace,
        {
            "dataset": "digits",
            "augment": "crop=0.8,rotate=10,mixup=0.2",
            "options": {"width": 8},
            "batch_size": 16,
            "epochs": 4,
            "device": "cpu",
            "threads": 1,
        },
    )
    state = run.wait(300)
    assert state.state == "finished", run.log_tail()
    (plan,) = [event for event in run.events() if event["event"] == "plan"]
    assert plan["augment"] == ["crop=0.8", "rotate=10", "mixup"]
    model = Models(workspace).get(state.model or "")
    assert model.info["training"]["augment"] == plan["augment"]
    judged = evaluate_model(workspace, model.ref, None, "test")
    assert judged.metrics["accuracy"] > 0.6 > 3 * judged.baseline["accuracy"]


def test_what_does_not_fit_is_refused_before_a_run_starts(workspace: Workspace) -> None:
    ingest(workspace, str(SAMPLES / "tabular" / "penguins.csv"), "penguins", target="species")
    with pytest.raises(UsageError) as caught:
        start_training(workspace, {"dataset": "penguins", "augment": ["drop", "mixup"]})
    told = str(caught.value)
    assert "mixup is for images and sounds, drop is for texts" in told
    assert "but tabular-classification reads tables" in told
    assert not list(workspace.runs.iterdir())
    assert "split" not in Lake(workspace).version("penguins").column_names


def test_a_run_from_before_has_none() -> None:
    kept = TrainConfig("x").to_json()
    del kept["augment"]
    assert TrainConfig.from_mapping(kept).augment == ()
