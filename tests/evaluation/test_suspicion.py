"""A trained model doubts the labels that were changed, in rows that it did not learn from."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.data.splitting.split import ensure_split
from core.errors import Cancelled, UsageError
from core.evaluation import checking
from core.evaluation.suspicion import suspicious_labels
from core.runs.events import EventWriter
from core.runs.job import Job
from core.runs.store import Runs
from core.workspace import Workspace
from tests.evaluation.conftest import train

WRONG = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("doubts"))


@pytest.fixture(scope="module")
def planted(home: Workspace) -> tuple[str, set[int]]:
    """A model, and the rows outside its training whose labels are wrong."""
    lake = Lake(home)
    draw = np.random.default_rng(1)
    side = draw.normal(0, 1, 1200)
    labels = np.where(side > 0, "up", "down")
    table = {"side": side, "noise": draw.normal(0, 1, 1200), "label": labels}
    lake.commit("signs", pa.table(table), op="import", target="label")
    made = ensure_split(lake, lake.version("signs"), target="label")
    with lake.open(made) as view:
        unseen = [rid for (rid,) in view.sql("SELECT _rid FROM rows WHERE split <> 'train'")]
    clear = [rid for rid in unseen if abs(side[rid]) > 0.7]
    wrong = set(draw.choice(clear, WRONG, replace=False).tolist())
    labels = labels.copy()
    for rid in wrong:
        labels[rid] = "down" if labels[rid] == "up" else "up"
    ids = pa.array(range(1200), pa.int64())
    lake.commit_columns(made, pa.table({"_rid": ids, "label": labels}), op="label")
    train(home, "signs", name="signs", epochs=12)
    return "signs", wrong


def test_wrong_labels_are_found_and_told(home: Workspace, planted: tuple[str, set[int]]) -> None:
    model, wrong = planted
    lake = Lake(home)
    (finding,), notes = suspicious_labels(home, lake.version("signs"), model, device="cpu")
    assert wrong <= set(finding.examples)
    assert finding.rows < 2 * WRONG
    assert set(finding.examples[: WRONG // 2]) <= wrong, "the most doubtful come first"
    assert finding.mend == {"do": "drop-rows", "ids": list(finding.examples)}
    assert "trained on" in notes[0]
    assert "not judged" in notes[0]


def test_rows_that_a_model_has_learned_are_judged_only_when_there_are_no_others(
    home: Workspace, planted: tuple[str, set[int]]
) -> None:
    lake = Lake(home)
    with lake.open("signs") as view:
        learned = view.arrow("SELECT _rid, side, noise, label FROM rows WHERE split = 'train'")
    part = lake.commit("signs", learned, op="clean", parents=[lake.version("signs").ref])
    try:
        _, notes = suspicious_labels(home, part, planted[0], device="cpu")
    finally:
        lake.remove(part.ref)
    assert "knows their labels" in notes[0]


def test_a_model_that_tells_no_classes_doubts_nothing(workspace: Workspace, mass: object) -> None:
    version = Lake(workspace).version("penguins")
    with pytest.raises(UsageError, match="tells no classes"):
        suspicious_labels(workspace, version, "mass", device="cpu")


def test_a_check_with_a_model_as_a_run(home: Workspace, planted: tuple[str, set[int]]) -> None:
    spec = {"dataset": "signs", "model": planted[0], "device": "cpu"}
    run = Runs(home).create("check", spec)
    with EventWriter(run.events_path) as events:
        checking.run(Job(run, events))
    (report,) = json.loads((run.artifacts / checking.REPORT).read_text())
    assert "suspicious-label" in {each["kind"] for each in report["findings"]}
    assert report["notes"]
    (entry, *_) = Lake(home).quality.history("signs")
    assert entry.score == report["score"]


def test_a_check_can_be_stopped(home: Workspace, planted: tuple[str, set[int]]) -> None:
    with pytest.raises(Cancelled):
        suspicious_labels(home, Lake(home).version("signs"), planted[0], should_stop=lambda: True)
