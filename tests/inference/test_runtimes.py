"""ONNX Runtime answers in place of torch, with the graph that a model was exported to."""

from __future__ import annotations

import json

import pytest

from core.errors import LeptonError, UsageError
from core.inference.engine import Engine
from core.inference.process import EngineProcess
from core.models.exporting import to_onnx
from core.models.graph import Graph
from core.models.registry import ABOUT, GRAPH, ModelFolder, Models
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import png, publish


@pytest.fixture(scope="module")
def exported(models: Workspace, image_task: Task) -> ModelFolder:
    publish(models, image_task, "seen", seed=9)
    found = Models(models).get("seen")
    to_onnx(found)
    return found


def test_it_answers_as_torch_does_and_is_calibrated_for_itself(
    models: Workspace, exported: ModelFolder
) -> None:
    rows = [{"image": png(at)} for at in range(9)]
    engine = Engine(models, "cpu", runtime="onnx")
    torchs = Engine(models, "cpu")
    for _ in range(2):
        told, known = engine.predict("seen", rows), torchs.predict("seen", rows)
    assert [each.label for each in told] == [each.label for each in known]
    for one, other in zip(told, known, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
    with engine.use("seen") as model:
        assert isinstance(model.module, Graph)
        assert model.bytes == (exported.path / GRAPH).stat().st_size
    assert {path.name for path in exported.path.glob("calibration*")} == {
        "calibration.json",
        "calibration-onnx.json",
    }


@pytest.mark.slow
def test_the_engines_process_has_the_same_switch(models: Workspace, exported: ModelFolder) -> None:
    from core.inference.messages import Row

    with EngineProcess(models, "cpu", runtime="onnx") as engine:
        (answer,) = engine.predict("seen", [Row("x", {"image": png(3)})], 60)
        with pytest.raises(UsageError, match="no ONNX graph"):
            engine.predict("flowers", [Row("x", {"petal length": 1, "colour": "red"})], 60)
    (known,) = Engine(models, "cpu").predict("seen", [{"image": png(3)}])
    assert answer.label == known.label


def test_a_model_without_a_graph_says_how_to_make_one(models: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        Engine(models, "cpu", runtime="onnx").predict("flowers", [{}])
    assert caught.value.hint == "Make one: lepton models export flowers@1 --to onnx"


def test_a_graph_of_other_weights_is_not_asked(models: Workspace, table_task: Task) -> None:
    publish(models, table_task, "twice", seed=1)
    found = Models(models).get("twice")
    to_onnx(found)
    about = json.loads((found.path / ABOUT).read_text())
    (found.path / ABOUT).write_text(json.dumps({**about, "weights_sha256": "0" * 64}))
    with pytest.raises(UsageError, match="of other weights"):
        Engine(models, "cpu", runtime="onnx").predict("twice", [{}])
    (found.path / ABOUT).write_text(json.dumps(about))
    (found.path / GRAPH).write_bytes((found.path / GRAPH).read_bytes()[:100])
    with pytest.raises(LeptonError, match="cannot read the graph"):
        Engine(models, "cpu", runtime="onnx").predict("twice", [{}])


@pytest.mark.parametrize(
    ("device", "runtime", "said"),
    [("cpu", "onx", 'no runtime "onx"'), ("cuda", "onnx", "on the processor here")],
)
def test_what_cannot_be_is_refused(models: Workspace, device: str, runtime: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Engine(models, device, runtime=runtime)
