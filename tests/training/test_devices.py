"""The device of a training: what the queue gave it counts, at its start and when it goes on."""

from types import SimpleNamespace

import pytest
import torch

from core.runs.store import Runs
from core.training import worker
from core.training.config import TrainConfig


@pytest.fixture
def job(workspace, penguins, monkeypatch):
    """A training that was asked to take any device, on a machine that has all of them."""
    monkeypatch.setattr(worker, "resolve", lambda name: torch.device(name.replace("auto", "cpu")))
    config = TrainConfig.from_mapping({"dataset": penguins.ref, "device": "auto"})
    run = Runs(workspace).create("train", config.to_json(), device="auto")
    return SimpleNamespace(
        workspace=workspace, run=run, spec=run.spec, device="cuda:0", emit=lambda *_, **__: None
    )


def test_it_starts_on_the_device_that_it_was_given(job):
    assert worker._started_before(job) is None
    assert worker._first_start(job).config.device == "cuda:0"
    job.device = None
    assert worker._first_start(job).config.device == "cpu"


def test_it_goes_on_where_there_is_room_now(job):
    first = worker._first_start(job).config
    job.device = "cuda:1"
    assert worker._started_before(job).config == first.with_(device="cuda:1")
    # And stays there: the processes of a group read it in the run's own settings.
    job.device = None
    assert worker._started_before(job).config == first.with_(device="cuda:1")
