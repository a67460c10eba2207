"""Models trained once for all tests here, on real data."""

from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.ingest import ingest
from core.models.registry import Models
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.store import Runs
from core.training import worker
from core.workspace import Workspace

SAMPLES = Path(__file__).parents[2] / "sample_data"


def train(workspace, dataset, **settings):
    """Train in this process, as the run's worker would."""
    spec = {"dataset": dataset, "device": "cpu", "threads": 1, **settings}
    run = Runs(workspace).create("train", spec)
    with EventWriter(run.events_path) as events:
        worker.run(Job(run, events))
    (result,) = [event for event in run.events() if event["event"] == "result"]
    return Models(workspace).get(result["model"])


def imported(workspace, name, source, **columns):
    return ingest(workspace, str(SAMPLES / source), name, **columns).version


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return Workspace.open(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="session")
def lake(workspace):
    return Lake(workspace)


@pytest.fixture(scope="session")
def credit(workspace):
    imported(workspace, "credit", "tabular/credit_data.csv", target="Status")
    return train(workspace, "credit", name="credit", epochs=5)


@pytest.fixture(scope="session")
def mass(workspace):
    imported(workspace, "penguins", "tabular/penguins.csv", target="body_mass_g")
    return train(workspace, "penguins", name="mass", epochs=20)


@pytest.fixture(scope="session")
def pictures(workspace):
    """A few pictures in colour, with a model that has barely looked at them."""
    imported(workspace, "pictures", "images/clipart")
    return train(workspace, "pictures", name="pictures", epochs=1, options={"width": 4})
