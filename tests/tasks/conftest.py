"""Real sample data, imported once, and small tables of a test's own."""

from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.ingest import ingest
from core.workspace import Workspace

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """`samples(source)`: the lake, and a version of that sample as the importer reads it."""
    workspace = Workspace.open(tmp_path_factory.mktemp("samples"))
    lake = Lake(workspace)
    done = {}

    def version(source):
        if source not in done:
            done[source] = ingest(workspace, str(SAMPLES / source), f"d{len(done)}").version
        # As imported before anyone said what it is for, so that a test sees the guess itself.
        return lake.describe(done[source], task=None, target=None, inputs=None)

    return lake, version


@pytest.fixture
def lake(tmp_path):
    return Lake(Workspace.open(tmp_path / "home"))


@pytest.fixture
def opened(lake):
    """`opened(columns)`: a view of a table made of these lists; `split` is "train" unless given."""
    views = []

    def open_table(columns, **options):
        rows = len(next(iter(columns.values())))
        table = pa.table({"split": ["train"] * rows, **columns})
        view = lake.open(lake.commit(f"t{len(views)}", table, op="test", **options))
        views.append(view)
        return view

    yield open_table
    for view in views:
        view.close()


def marked(workspace, name):
    """Real reviews, with as many stars as their scores stand for."""
    ingest(workspace, str(SAMPLES / "text" / "fine_foods_1500.csv"), "foods")
    lake = Lake(workspace)
    with lake.open("foods") as view:
        rows = view.sql("SELECT review, score FROM rows ORDER BY _rid")
    values = [5.0 if score == "great" else 2.0 for _, score in rows]
    table = pa.table({"review": [review for review, _ in rows], "stars": values})
    lake.commit(name, table, op="test", task="text-regression", target="stars")


def encoded(task, view, split="train", *, target=True):
    """One split's encoded rows, whole."""
    (batch,) = view.batches([*task.columns, task.target], split=split, rows=1_000_000)
    return task.encode(batch, target=target)
