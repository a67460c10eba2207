"""Training goes on from a model that Lepton trained, on rows that the model fits."""

import json

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.errors import UsageError
from core.models.folder import load_module
from core.models.registry import Models
from core.training.choice import choose
from core.training.config import TrainConfig
from core.training.rehearsal import rehearse
from core.training.setup import decide
from core.training.start import start_training

from .test_loop import same

DEADLINE = 120


@pytest.fixture
def first(workspace, penguins):
    """A small model of penguins, as a run publishes it."""
    settings = {"dataset": "penguins", "model": "mlp", "epochs": 3, "lr": 1e-2, "width": 16}
    run = start_training(workspace, {**settings, "threads": 1, "device": "cpu"})
    assert run.wait(DEADLINE).state == "finished", run.log_tail()
    return Models(workspace).get("penguins_mlp")


def test_weights_codec_and_options_are_the_models(workspace, first, trainer):
    made = trainer("penguins", init_from="penguins_mlp", epochs=1, lr=1e-9)
    assert same(made.module.state_dict(), load_module(first).state_dict())
    assert json.loads(json.dumps(made.task.to_json())) == first.info["codec"]
    assert made.config.options["width"] == 16
    assert made.config.init_from == "penguins_mlp"
    assert made.fit()
    assert made.best.metrics["val/accuracy"] == first.info["metrics"]["val/accuracy"]

    # Repeating a run from its resolved settings is the same run.
    again = decide(workspace, made.config, device="cpu", precision="fp32", threads=1)
    assert again.config == made.config
    told = rehearse(workspace, made.config)
    assert told.parameters == first.info["parameters"]

    def refused(words, **settings):
        asked = {"dataset": "penguins", "init_from": "penguins_mlp", **settings}
        with pytest.raises(UsageError, match=words):
            choose(workspace, TrainConfig.from_mapping(asked))

    refused("width is 16 in penguins_mlp@1, and cannot become 32", width=32)
    refused("target is species in penguins_mlp@1", target="sex")
    refused("model is mlp in penguins_mlp@1", model="cnn")
    refused('has an option "tune"', tune="head")
    refused("no model", init_from="penguin_mlp")
    with Lake(workspace).open("penguins") as view:
        rows = [
            row for batch in view.batches(view.version.column_names) for row in batch.to_pylist()
        ]
    for row in rows[:20]:
        row["species"] = "Emperor"
    Lake(workspace).commit("others", pa.Table.from_pylist(rows), op="import", target="species")
    refused("does not know these of species: Emperor", dataset="others")
