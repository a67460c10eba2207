"""A run's numbers in other programs' files, read back by those programs where they are there."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
        assert missing.value.hint == f"Install it: pip install 'lepton-tui[{to}]'"
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


@pytest.mark.parametrize("folder", ["mlruns", "runs of müller #1"])
def test_mlflow_reads_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    path = export(run, "mlflow", tmp_path / folder)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=path.as_uri())
    experiments = client.search_experiments()
    # What was written at another path says where it lies now, in mlflow's own experiment too.
    for each in experiments:
        assert each.artifact_location == f"{path.as_uri()}/{each.experiment_id}"
    [experiment] = [each for each in experiments if each.name == "d"]
    [kept] = client.search_runs([experiment.experiment_id])
    info, data = kept.info, kept.data
    assert (data.params["options.width"], info.status) == ("4", "FINISHED")
    assert data.tags.items() >= {"a": "true", "mlflow.note.content": "said"}.items()
    first, *_, last = (round(each.time * 1000) for each in records(run))
    assert (info.start_time, info.end_time) == (first, last)
    history = client.get_metric_history(info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == LOSSES
    assert client.list_artifacts(info.run_id) == []
    client.log_text(info.run_id, "kept", "beside.txt")
    assert [*path.rglob("beside.txt")]


def kept_by_wandb(path: Path) -> Iterator[Any]:
    """The records of its offline file: pieces of a log in blocks, as LevelDB has them."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, held = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        size, kind = struct.unpack("<4xHB", content[at : at + 7])
        held += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # the whole of one, or its last piece
            found = Record()
            found.ParseFromString(held)
            held = b""
            yield found


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_wandb_has_the_run_in_its_offline_file(run: Run, tmp_path: Path, state: str) -> None:
    with EventWriter(run.events_path) as events:
        events.write("state", state=state)
    path = export(run, "wandb", tmp_path / "wb")
    [file] = path.glob("wandb/offline-run-*/run-*.wandb")
    found = [*kept_by_wandb(file)]
    [told] = [each.run for each in found if each.HasField("run")]
    assert (told.run_id, told.display_name, told.project) == (run.id, "m", "d")
    assert (told.notes, [*told.tags]) == ("said", ["a", "b"])
    assert not told.host
    config = {each.key: each.value_json for each in told.config.update}
    assert (config["lr"], config["options.width"]) == ("0.5", "4")
    steps = [
        {(each.key or "/".join(each.nested_key)): json.loads(each.value_json) for each in row.item}
        for row in (each.history for each in found if each.HasField("history"))
    ]
    assert [(each["_step"], each["loss"]) for each in steps] == LOSSES
    assert steps[-1]["val/loss"] == 0.5
    times = {each.step: each.time for each in records(run)}
    assert [each["_timestamp"] for each in steps] == pytest.approx([*times.values()], abs=1e-5)
    [end] = [each.exit.exit_code for each in found if each.HasField("exit")]
    assert end == (state == "failed")


def test_wandb_is_told_nothing_of_the_process_and_leaves_nothing_elsewhere(
    run: Run, tmp_path: Path
) -> None:
    """In a process of its own: what wandb keeps at work for a process is started there."""
    path, person = tmp_path / "wb", tmp_path / "person"
    person.mkdir()
    homes = {"HOME": str(person), "LEPTON_HOME": str(run.workspace.home)}
    command = ["lepton_tui", "runs", "export", run.id, "--to", "wandb", "--out", str(path)]
    own = {name: value for name, value in os.environ.items() if "WANDB" not in name}
    subprocess.run([sys.executable, "-m", *command], env={**own, **homes}, check=True)
    [file] = path.glob("wandb/offline-run-*/run-*.wandb")
    kinds = {each.WhichOneof("record_type") for each in kept_by_wandb(file)}
    assert "history" in kinds
    assert not kinds & {"environment", "stats", "output", "output_raw"}
    assert not [*person.iterdir()]
    assert {each.name for each in path.rglob("*") if each.is_file()} == {file.name}
    # Nothing points to where it was written first.
    assert all(each.exists() for each in path.rglob("*"))
