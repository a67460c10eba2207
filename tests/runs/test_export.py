"""A run's numbers in other programs' files, read back by those programs where they are there."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest

from core.errors import LeptonError, UsageError
from core.runs import export as exporting
from core.runs.events import EventWriter
from core.runs.export import export
from core.runs.notes import Notes, write_notes
from core.runs.records import records
from core.runs.run import Run
from core.runs.store import Runs


@pytest.fixture
def run(runs: Runs) -> Run:
    """A run that was resumed twice, each time some steps back."""
    run = runs.create("train", {"lr": 0.5, "options": {"width": 4}}, dataset="d@1", model="m")
    with EventWriter(run.events_path) as events:
        events.write("state", state="running", pid=1)
        for step in range(1, 7):
            events.write("step", step=step, epoch=1, loss=float(step), lr=0.5)
        events.write("epoch", step=6, epoch=1, metrics={"val/loss": 9.0})
        events.write("resumed", step=4, epoch=1)
        events.write("step", step=5, epoch=1, loss=float("nan"), lr=0.5)
        events.write("resumed", step=3, epoch=1)
        for step in range(4, 7):
            events.write("step", step=step, epoch=1, loss=10.0 * step, lr=0.25)
        events.write("epoch", step=6, epoch=1, metrics={"val/loss": 0.5})
        events.write("state", state="finished")
    write_notes(run.path, lambda _: Notes("said", ("a", "b")))
    return run


LOSSES = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0), (5, 50.0), (6, 60.0)]


def test_steps_that_were_done_again_count_once(run: Run) -> None:
    found = [(each.step, each.numbers["loss"]) for each in records(run) if "loss" in each.numbers]
    assert found == LOSSES
    assert [each.numbers for each in records(run)][-1] == {"val/loss": 0.5}


def test_csv_has_a_column_for_each_number(run: Run, tmp_path: Path) -> None:
    path = export(run, "csv", tmp_path / "new folder" / "run.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time", "step", "epoch", "loss", "lr", "val/loss"]
    assert [(int(row["step"]), float(row["loss"])) for row in rows[:6]] == LOSSES
    assert (rows[6]["loss"], rows[6]["val/loss"]) == ("", "0.5")


def test_what_is_there_stays_unless_it_is_to_be_replaced(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="something is there already"):
        export(run, "csv", path)

    def full(*_: object) -> None:
        path.with_name("half").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(exporting.WRITERS, "full", (full, None, ".full"))
    with pytest.raises(LeptonError, match="cannot be written: No space left"):
        export(run, "full", path, replace=True)
    assert path.read_text() == "mine"
    export(run, "csv", path, replace=True)
    assert path.read_text().startswith("time,step")
    assert sorted(each.name for each in tmp_path.glob(".*")) == []


def test_a_package_that_is_missing_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda _: None)
    for to in ("tensorboard", "wandb", "mlflow"):
        with pytest.raises(LeptonError) as missing:
            export(run, to, tmp_path / to)
        assert missing.value.hint == f"Install it: pip install {to}"
    with pytest.raises(UsageError) as unknown:
        export(run, "tensorbord", tmp_path / "x")
    assert unknown.value.hint == 'Did you mean "tensorboard"?'


def test_tensorboard_reads_it(run: Run, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(export(run, "tensorboard", tmp_path / "logs")))
    found.Reload()
    assert set(found.Tags()["scalars"]) == {"loss", "lr", "val/loss"}
    assert [(each.step, each.value) for each in found.Scalars("loss")] == LOSSES
    [said] = found.Tensors("settings")
    assert b"**options.width**: 4" in said.tensor_proto.string_val[0]


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_reads_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(run, "mlflow", tmp_path / "mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=path.as_uri())
    [experiment] = [each for each in client.search_experiments() if each.name == "d"]
    [kept] = client.search_runs([experiment.experiment_id])
    assert (kept.data.params["options.width"], kept.info.status) == ("4", "FINISHED")
    history = client.get_metric_history(kept.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == LOSSES
    assert str(path) in kept.info.artifact_uri


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_has_its_offline_file(run: Run, tmp_path: Path) -> None:
    path = export(run, "wandb", tmp_path / "wb")
    [kept] = path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"val/loss" in kept.read_bytes()
