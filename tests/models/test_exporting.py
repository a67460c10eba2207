"""A model as an ONNX graph answers as the model does, for any number of rows."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from core.errors import LeptonError, UsageError
from core.models import exporting, graph
from core.models.architectures import build, resolve
from core.models.exporting import to_onnx
from core.models.folder import load_module, save_model
from core.models.graph import read_graph
from core.models.registry import open_folder
from core.tasks import task

TABLE = {"numbers": 2, "categories": [5]}


@pytest.fixture
def model(tmp_path):
    """`model(name)`: a folder with an architecture for pictures."""

    def make(name):
        codec = {"column": "image", "target": "label", "labels": ["a", "b", "c"], "notes": []}
        sides = {"height": 16, "width": 16, "mean": [0.5], "std": [0.5]}
        made = task("image-classification").from_json({**codec, **sides})
        torch.manual_seed(3)
        path = tmp_path / name
        path.mkdir()
        options = resolve(name, made.shape)
        info = {"name": name, "architecture": name, "options": options}
        save_model(path, build(name, made.shape, options), made, info)
        return open_folder(path)

    return make


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_the_graph_answers_as_the_model(model, tmp_path, name):
    found = model(name)
    made = to_onnx(found, tmp_path / "out")
    assert sorted(path.name for path in made.graph.parent.iterdir()) == ["model.onnx", "onnx.json"]
    session = onnxruntime.InferenceSession(made.graph)
    rows = torch.randn(7, 1, 16, 16)
    with torch.inference_mode():
        expected = load_module(found)(rows).numpy()
    (answers,) = session.run(None, {"image": rows.numpy()})
    assert np.allclose(answers, expected, atol=1e-4)
    about = json.loads(made.about.read_text())
    (given,) = about["inputs"]
    assert given["shape"][1:] == [1, 16, 16]
    assert isinstance(given["shape"][0], str)
    assert about["outputs"][0]["shape"][1:] == [3]
    assert set(made.speed) == {1, 32}


def test_a_graph_that_answers_otherwise_is_not_written(model, monkeypatch):
    monkeypatch.setattr(exporting, "ABSOLUTE", -1.0)
    found = model("cnn")
    before = sorted(found.path.iterdir())
    with pytest.raises(LeptonError, match="from torch's"):
        to_onnx(found)
    assert sorted(found.path.iterdir()) == before


def test_a_missing_package_is_told_with_the_way_to_it(model, monkeypatch):
    monkeypatch.setattr(graph, "find_spec", lambda name: None)
    with pytest.raises(LeptonError) as caught:
        to_onnx(model("cnn"))
    assert "lepton-tui[onnx]" in caught.value.hint


def test_kinds_that_have_no_graph_are_told():
    with pytest.raises(UsageError, match="not exported"):
        exporting.inputs_of({"kind": "speech", "rate": 16_000, "outputs": 4}, "speech")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp", {"kind": "table", **TABLE, "outputs": 2}),
        ("mlp", {"kind": "table", "numbers": 3, "categories": [], "outputs": 2}),
        ("transformer", {"kind": "tokens", "vocabulary": 40, "length": 12, "outputs": 2}),
        ("lstm", {"kind": "tokens", "vocabulary": 40, "length": 12, "outputs": 2}),
        ("lstm", {"kind": "tokens", "vocabulary": 40, "length": 1, "outputs": 2}),
        ("gpt", {"kind": "next-token", "vocabulary": 40, "length": 12, "outputs": 40}),
    ],
)
def test_other_kinds_agree(tmp_path, name, shape):
    module = build(name, shape, resolve(name, shape)).eval()
    inputs = exporting.inputs_of(shape, name)
    exporting._write(module, inputs, tmp_path / "it")
    assert exporting._compare(module, read_graph(tmp_path / "it"), inputs) < 1e-4


def test_a_recurrent_model_answers_as_it_does_here_whatever_the_lengths(tmp_path):
    codec = {"column": "t", "target": "y", "labels": ["a", "b"], "notes": []}
    words = [f"w{number}" for number in range(30)]
    made = task("text-classification").from_json({**codec, "vocabulary": words, "length": 9})
    options = {**resolve("lstm", made.shape), "layers": 2}
    info = {"name": "it", "architecture": "lstm", "options": options}
    torch.manual_seed(3)
    save_model(tmp_path, build("lstm", made.shape, options), made, info)
    found = open_folder(tmp_path)
    module, session = load_module(found), onnxruntime.InferenceSession(to_onnx(found).graph)
    for rows, longest in ((1, 1), (1, 9), (6, 4), (3, 20)):
        tokens = torch.randint(1, 30, (rows, longest), dtype=torch.int32)
        lengths = torch.randint(1, longest + 1, (rows,), dtype=torch.int32)
        with torch.inference_mode():
            expected = module(tokens, lengths).numpy()
        given = {"tokens": tokens.numpy(), "lengths": lengths.numpy()}
        assert np.allclose(session.run(None, given)[0], expected, atol=1e-4)
