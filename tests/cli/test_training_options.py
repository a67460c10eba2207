"""What a training may be told: the options of a task and of its models, with bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import lepton_tui as l
from core import toml
from core.data.builtin.samples import sample_data
from core.models.architectures import ARCHITECTURES
from core.models.registry import Models
from core.runs.store import Runs
from core.tasks import TASKS, task
from core.training.setup import CONFIG
from core.workspace import Workspace
from tests.cli.conftest import Shell


def test_help_leads_to_a_list_of_every_option_and_its_bounds(lepton: Shell) -> None:
    assert "lepton train DATASET --options" in " ".join(lepton("train", "--help").out.split())
    source = sample_data() / "series" / "chicago_ridership.csv"
    kind = task("time-series-forecasting")
    assert lepton("data", "import", source, "--name", "rides").code == 0
    asked = ("rides", "--target", "ridership", "--task", kind.name)
    told = " ".join(lepton("train", *asked, "--options").out.split())
    assert "horizon steps that are told: a whole number from 1 to 100000, or 0 to choose" in told
    listed = lepton("train", *asked, "--options", "--json").json
    assert [each["name"] for each in listed["options"]] == [each.name for each in kind.options]
    assert [each["name"] for each in listed["models"]] == [*kind.architectures, "pretrained"]
    no_model = lepton("train", *asked, "--options", "-m", "cnn")
    assert (no_model.code, no_model.out) == (2, "")
    assert lepton("runs", "ls", "--kind", "train", "--json").json == []


def test_the_architectures_of_a_task_come_with_the_options_of_both(lepton: Shell) -> None:
    told = lepton("models", "ls", "--architectures", "--task", "text-classification").out
    kind = task("text-classification")
    known = [kind.options, *(ARCHITECTURES[name].options for name in kind.architectures)]
    for option in (each for options in known for each in options):
        assert f"  {option.name} " in told
    assert "the model any pretrained model" in told
    listed = lepton("models", "ls", "--architectures", "--json").json
    assert {name for each in listed for name in each["tasks"]} == set(TASKS)
    assert all(set(each["options"]) == {one["name"] for one in each["bounds"]} for each in listed)


SETTINGS: dict[str, Any] = {
    "epochs": 20,
    "max_steps": 20,
    "max_time": "10m",
    "batch_size": 16,
    "accumulate": 2,
    "lr": 0.004,
    "schedule": "linear",
    "warmup": 3,
    "weight_decay": 0.05,
    "clip": 0.5,
    "precision": "fp32",
    "device": "cpu",
    "devices": 1,
    "patience": 9,
    "seed": 7,
    "deterministic": True,
    "compile": False,
    "ema": 0.9,
    "label_smoothing": 0.1,
    "dropout": 0.2,
}
FLAGS = ("epochs", "batch_size", "lr", "device", "seed")


@pytest.mark.slow
def test_a_file_words_python_and_a_run_of_before_say_the_same_training(
    lepton: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_HOME", str(lepton.home))
    source = sample_data() / "tabular" / "penguins.csv"
    assert lepton("data", "import", source, "--target", "species").code == 0
    assert lepton("data", "split", "penguins").code == 0
    file = tmp_path / "settings.toml"
    file.write_text(toml.lines(SETTINGS))
    flags = [word for key in FLAGS for word in (f"--{key.replace('_', '-')}", str(SETTINGS[key]))]
    words = [f"{key}={json.dumps(value).strip(chr(34))}" for key, value in SETTINGS.items()]
    others = [word for word in words if word.partition("=")[0] not in FLAGS]
    for asked in (["--config", file], words, [*flags, *others]):
        assert lepton("train", "penguins", *asked).code == 0
    l.load("penguins_mlp").train("penguins", **SETTINGS)
    workspace = Workspace(lepton.home)
    (first, *_) = [run for run in Runs(workspace).all() if run.kind == "train"]
    # What was resolved is kept with the run, and repeats it.
    assert lepton("train", "--config", first.path).code == 0
    trained = [run for run in Runs(workspace).all() if run.kind == "train"]
    kept = [json.loads((run.artifacts / CONFIG).read_text()) for run in trained]
    assert len(kept) == 5
    assert all(each == kept[0] for each in kept)
    assert kept[0]["options"]["dropout"] == 0.2
    known = [model.weights.read_bytes() for model in Models(workspace).list()]
    assert len(known) == 5
    assert len(set(known)) == 1
