"""Models in ONNX come in, find their task, and answer; what does not fit is refused."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from core.errors import LeptonError, UsageError
from core.models.exporting import to_onnx
from core.models.folder import load_module, save_model
from core.models.foreign.arriving import Wish, bring_in
from core.models.registry import ABOUT, GRAPH, Models, task_of
from core.tasks import task
from core.workspace import Workspace

from .test_foreign import other, outputs, refused, towns  # noqa: F401 - fixtures

ROWS = [{"n": 1.0, "town": "x"}, {"n": None, "town": "y"}, {"n": 2.5, "town": "z"}]
SIDE, LABELS = 6, ["cat", "dog", "fox"]


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def models(workspace):
    return Models(workspace)


def a_graph(path, *, rows="rows", side=SIDE, outputs=3, weight=None):
    """A graph of another's making: the mean of each picture, times a vector."""
    weight = np.arange(1.0, outputs + 1, dtype=np.float32)[None] if weight is None else weight
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("MatMul", ["column", "weight"], ["scores"]),
    ]
    made = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [rows, 1, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [rows, outputs])],
        [
            numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
            numpy_helper.from_array(np.array([1]), "last"),
            numpy_helper.from_array(weight, "weight"),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def pictures(models):
    """A model of the workspace for pictures of `SIDE` and the labels `LABELS`."""
    from core.models.architectures import build, resolve

    codec = {"column": "image", "target": "label", "labels": LABELS, "notes": []}
    sides = {"height": SIDE, "width": SIDE, "mean": [0.0], "std": [1.0]}
    made = task("image-classification").from_json({**codec, **sides})
    staged = models.workspace.tmp / "staged"
    staged.mkdir()
    options = resolve("cnn", made.shape)
    info = {"name": "pictures", "architecture": "cnn", "options": options}
    save_model(staged, build("cnn", made.shape, options), made, info)
    return models.publish("pictures", staged)


def test_what_was_exported_comes_back_and_answers_the_same(models, towns, tmp_path):  # noqa: F811
    to_onnx(towns, tmp_path / "out")
    said = []
    found = bring_in(models, str(tmp_path / "out" / GRAPH), Wish("back"), said.append)
    assert found.ref == "back@1"
    assert found.info["architecture"] == "onnx"
    assert found.info["parameters"] == pytest.approx(towns.info["parameters"], rel=0.05)
    assert sorted(path.name for path in found.path.iterdir()) == [
        "README.md",
        "model.json",
        "model.onnx",
    ]
    assert "tabular-classification" in said[-1]
    assert torch.allclose(outputs(found, ROWS), outputs(towns, ROWS), atol=1e-5)


@pytest.mark.parametrize("rows", ["rows", 1])
def test_a_graph_of_anothers_making_takes_a_model_to_speak_for_it(models, pictures, tmp_path, rows):
    found = bring_in(
        models, str(a_graph(tmp_path / "Means 3.onnx", rows=rows)), Wish(like="pictures")
    )
    assert (found.name, found.info["from"]) == ("means-3", "pictures@1")
    images = torch.rand(5, 1, SIDE, SIDE)
    with torch.inference_mode():
        answers = load_module(found)(images)
    assert torch.allclose(answers, images.mean((1, 2, 3))[:, None] * torch.tensor([[1.0, 2, 3]]))
    assert task_of(found).to_json() == task_of(pictures).to_json()


def test_a_folder_of_transformers_speaks_for_its_graph(models, tmp_path):
    folder = tmp_path / "vit"
    folder.mkdir()
    config = {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification"],
        "image_size": SIDE,
        "num_channels": 1,
        "id2label": dict(enumerate(LABELS)),
    }
    (folder / "config.json").write_text(json.dumps(config))
    reader = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5], "image_std": [0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(reader))
    a_graph(folder / GRAPH)
    found = bring_in(models, str(folder / GRAPH), Wish("vit"))
    assert task_of(found).labels == tuple(LABELS)
    assert task_of(found).mean == (0.5,)


def test_it_asks_what_a_graph_is_for(models, pictures, tmp_path):
    refused(models, a_graph(tmp_path / "it.onnx"), "what it is for", "--like MODEL")


@pytest.mark.parametrize(
    ("other_than", "words"),
    [
        ({"side": 7}, "takes tensor(float) [rows, 1, 7, 7]"),
        ({"outputs": 2}, "gives [rows, 2], and [rows, 3] is due"),
    ],
)
def test_a_graph_for_something_else_is_refused(models, pictures, tmp_path, other_than, words):
    refused(models, a_graph(tmp_path / "it.onnx", **other_than), words, like="pictures")


def test_files_that_are_no_graph_or_not_all_of_one(models, pictures, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x07 nothing")
    refused(models, broken, "no model in ONNX", like="pictures")
    whole = onnx.load(a_graph(tmp_path / "whole.onnx", weight=np.ones((1, 3), np.float32)))
    onnx.save(
        whole,
        tmp_path / "split.onnx",
        save_as_external_data=True,
        location="weights",
        size_threshold=0,
    )
    refused(models, tmp_path / "split.onnx", "in other files", "onnx.save", like="pictures")
    refused(models, tmp_path / "whole.onnx", "not the one", like="pictures", sha256="0" * 64)


def test_a_graph_that_asks_for_a_terabyte_ends_its_own_process(models, pictures, tmp_path):
    model = onnx.load(a_graph(tmp_path / "it.onnx"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 38]), "huge"))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["filled"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["filled"], ["sum"], keepdims=0))
    model.graph.node[-2].output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "sum"], ["scores"]))
    onnx.save(model, tmp_path / "bomb.onnx")
    refused(models, tmp_path / "bomb.onnx", kind=LeptonError, like="pictures")


def test_a_link_beside_it_that_leads_elsewhere_is_refused(models, pictures, tmp_path):
    folder = tmp_path / "there"
    to_onnx(pictures, folder)
    shutil.move(folder / ABOUT, tmp_path / "elsewhere.json")
    (folder / ABOUT).symlink_to(tmp_path / "elsewhere.json")
    refused(models, folder / GRAPH, "a link out of it")


def test_it_is_not_trained_on_nor_exported_again(models, pictures, tmp_path):
    found = bring_in(models, str(a_graph(tmp_path / "it.onnx")), Wish(like="pictures"))
    with pytest.raises(UsageError, match="an ONNX graph already"):
        to_onnx(found)
