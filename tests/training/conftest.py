"""Real data in a workspace of the test's own, and trainers on it."""

from pathlib import Path

import pytest
import torch

from core.data.lake.lake import Lake
from core.ingest import ingest
from core.training import loop
from core.training.checkpoint import Checkpoints
from core.training.config import TrainConfig
from core.training.feed import compiled
from core.training.loop import Trainer
from core.training.module import untrained
from core.training.setup import decide
from core.workspace import Workspace

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def penguins(workspace):
    source = SAMPLES / "tabular" / "penguins.csv"
    return ingest(workspace, str(source), "penguins", target="species").version


def few(workspace, dataset, source, keep, **columns):
    """A data set of few rows, quick to train on: the rows of a source that `keep` (SQL) selects."""
    version = ingest(workspace, str(SAMPLES / source), f"{dataset}-all", **columns).version
    lake = Lake(workspace)
    with lake.open(version) as view:
        rows = view.sql(f"SELECT _rid FROM rows WHERE {keep}")
        table = [row for batch in view.batches(version.column_names) for row in batch.to_pylist()]
    import pyarrow as pa

    kept = {rid for (rid,) in rows}
    return lake.commit(
        dataset,
        pa.Table.from_pylist([row for row in table if row["_rid"] in kept]),
        op="import",
        media={column.name: column.media for column in version.columns if column.media},
        task=version.task,
        target=version.target,
        inputs=version.inputs,
    )


@pytest.fixture
def digits(workspace):
    return few(workspace, "digits", "images/mnist5k", "_rid % 20 = 0")


@pytest.fixture
def reviews(workspace):
    return few(workspace, "reviews", "text/fine_foods_1500.csv", "_rid % 8 = 0", target="score")


class Recorded(list):
    """Events as they come; `of` picks those of one name."""

    def __call__(self, event, **fields):
        self.append({"event": event, **fields})

    def of(self, name):
        return [event for event in self if event["event"] == name]


@pytest.fixture
def trainer(workspace, tmp_path):
    """A factory: a Trainer for a data set, with its checkpoints in a folder of that name."""

    def make(dataset, folder="checkpoints", *, stop_at=None, requests=None, **settings):
        config = TrainConfig.from_mapping({"dataset": dataset, "precision": "fp32", **settings})
        # Half precision too, which `precision_on` has no processor take.
        setup = decide(workspace, config, device="cpu", precision=config.precision, threads=1)
        with Lake(workspace).open(setup.version) as view:
            train = compiled(workspace, view, setup.task, "train")
            validation = compiled(workspace, view, setup.task, "validation")
        torch.manual_seed(setup.config.seed)
        module = untrained(setup, train.tensors)
        made = Trainer(
            module,
            setup.task,
            train,
            validation,
            config=setup.config,
            checkpoints=Checkpoints(tmp_path / folder),
            device=torch.device("cpu"),
            emit=Recorded(),
            requests=requests,
            should_stop=lambda: stop_at is not None and made.progress.step >= stop_at,
        )
        return made

    return make


@pytest.fixture
def clocked(trainer, monkeypatch):
    """Makes trainers of which each step takes so many seconds, by the loop's own clock."""

    def make(*given, seconds, **settings):
        now = [0.0]
        monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
        it = trainer(*given, **settings)
        step = it.train_step

        def taking_so_long(batch, rows):
            now[0] += seconds
            return step(batch, rows)

        it.train_step = taking_so_long
        return it

    return make
