"""The model folder: it stands on its own, and says which of its files is wrong."""

import json
import shutil
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch

from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.models.architectures import build, resolve
from core.models.folder import load_module, save_model
from core.models.registry import Models, open_folder, task_of
from core.tasks import facts, guess, task
from core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def trained(workspace):
    """A task learned from a small table, and a module for it."""
    lake = Lake(workspace)
    table = pa.table({"n": [1.0, 2.0, None, 4.0], "town": ["x", "y", "x", "y"], "y": list("abab")})
    with lake.open(lake.commit("towns", table, op="test")) as view:
        fit = guess(facts(view), "y")
        learned = task(fit.task).learn(fit, view)
    torch.manual_seed(0)
    return learned, build("mlp", learned.shape).eval()


@pytest.fixture
def staged(workspace, trained):
    """`staged()`: a folder as a run fills it before it publishes."""
    learned, module = trained
    made = []

    def make(**info):
        path = workspace.tmp / f"staged-{len(made)}"
        made.append(path)
        path.mkdir()
        whole = {
            "name": "towns",
            "architecture": "mlp",
            "options": resolve("mlp", learned.shape),
            "dataset": "towns",
            "dataset_version": 1,
            "metrics": {"val/accuracy": 0.75},
            "baseline": {"val/accuracy": 0.5},
            "run": "train-1",
            **info,
        }
        save_model(path, module, learned, whole)
        return path

    return make


@pytest.fixture
def models(workspace):
    return Models(workspace)


def outputs(folder, rows):
    arrays = task_of(folder).encode(rows, target=False)
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.inference_mode():
        return load_module(folder)(*task_of(folder).inputs(batch)).numpy()


ROWS = [{"n": 3, "town": "x"}, {"n": None, "town": "new"}]


def test_a_published_model_answers_as_the_one_in_memory(models, staged, trained):
    learned, module = trained
    folder = models.publish("towns", staged())
    batch = {k: torch.from_numpy(v) for k, v in learned.encode(ROWS, target=False).items()}
    with torch.inference_mode():
        expected = module(*learned.inputs(batch)).numpy()
    assert np.array_equal(outputs(folder, ROWS), expected)
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]
    assert folder.to_json() == {
        "name": "towns",
        "version": 1,
        "task": "tabular-classification",
        "architecture": "mlp",
        "metrics": {"val/accuracy": 0.75},
        "dataset": "towns",
        "path": str(folder.path),
        "run": "train-1",
    }


@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_weights_in_the_channels_last_layout_are_kept(models, workspace, name):
    from core.tasks.image_classification import ImageClassification

    learned = ImageClassification("image", "label", "ab", size=(8, 8), mean=[0.5], std=[0.2])
    module = build(name, learned.shape)
    path = workspace.tmp / "images"
    path.mkdir()
    options = resolve(name, learned.shape)
    save_model(path, module, learned, {"name": "i", "architecture": name, "options": options})
    back = load_module(models.publish("i", path)).state_dict()
    assert all(torch.equal(value, back[key]) for key, value in module.state_dict().items())


def test_the_folder_alone_is_enough_elsewhere(models, staged, tmp_path):
    folder = models.publish("towns", staged())
    expected = outputs(folder, ROWS)
    elsewhere = tmp_path / "usb" / "my model"
    shutil.copytree(folder.path, elsewhere)
    models.remove("towns")
    for ref in (elsewhere, str(elsewhere)):
        moved = Models(Workspace.open(tmp_path / "other")).get(ref)
        assert (moved.name, moved.version, moved.ref) == ("towns", None, str(elsewhere))
        assert np.array_equal(outputs(moved, ROWS), expected)


def test_the_card_says_what_it_is_from_what_and_how_good(models, staged):
    card = (models.publish("towns", staged()).path / "README.md").read_text()
    for words in ("# towns", "`mlp` for tabular-classification", "towns, version 1", "train-1"):
        assert words in card
    assert "| val/accuracy | 0.7500 | 0.5000 |" in card
    assert "lepton predict" in card


def test_names_versions_and_the_newest(models, staged):
    first, second = models.publish("towns", staged()), models.publish("towns", staged())
    other = models.publish("other", staged())
    assert [folder.ref for folder in models.list()] == ["other@1", "towns@2", "towns@1"]
    assert models.names() == ["other", "towns"]
    assert models.get("towns") == second
    assert models.get("towns@1") == first
    assert models.get("other") == other


def test_unknown_models_name_the_nearest(models, staged):
    with pytest.raises(UsageError) as caught:
        models.get("towns")
    assert "lepton train" in caught.value.hint
    models.publish("towns", staged())
    with pytest.raises(UsageError, match='no model "twons"') as caught:
        models.get("twons")
    assert caught.value.hint == 'Did you mean "towns"?'
    with pytest.raises(UsageError, match="no version 2") as caught:
        models.get("towns@2")
    assert "1" in caught.value.hint
    with pytest.raises(UsageError, match="no model"):
        models.get("./nowhere")
    with pytest.raises(UsageError):
        models.publish("../escape", staged())


def test_a_number_is_never_given_twice(models, staged):
    for _ in range(3):
        models.publish("towns", staged())
    models.remove("towns@3")
    assert models.publish("towns", staged()).version == 4
    models.remove("towns")
    assert models.names() == []
    assert models.publish("towns", staged()).version == 5


def test_removing_takes_one_version_or_all(models, staged, workspace):
    for _ in range(3):
        models.publish("towns", staged())
    models.remove("towns@2")
    assert [folder.version for folder in models.list()] == [3, 1]
    models.remove("towns")
    assert models.list() == []
    models.remove(models.publish("towns", staged()).ref)
    assert [path.name for path in workspace.models.iterdir()] == [".numbers"]
    assert list(workspace.tmp.iterdir()) == []
    with pytest.raises(UsageError, match='no model "towns"'):
        models.remove("towns")
    with pytest.raises(UsageError, match="not in the workspace"):
        models.remove("/tmp")


def spoil_json(**changed):
    def spoil(path):
        file = path / "model.json"
        info = json.loads(file.read_text())
        file.write_text(json.dumps({**info, **changed}))

    return spoil


def header(path):
    """A weights file whose header says more than the file has."""
    file = path / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(struct.pack("<Q", 1 << 40) + content[8:])


def flipped(path):
    """One bit of one weight is another, which safetensors does not see."""
    file = path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


DAMAGE = [
    (lambda p: (p / "model.json").unlink(), "model.json is missing", "model.json"),
    (lambda p: (p / "model.json").write_text('{"form'), "model.json cannot be read", "model.json"),
    (lambda p: (p / "model.json").write_bytes(b"\xff\xfe"), "cannot be read", "model.json"),
    (lambda p: (p / "model.json").write_text("[]"), "model.json lacks", "model.json"),
    (spoil_json(format=99), "newer Lepton", "model.json"),
    (spoil_json(format="x"), "newer Lepton", "model.json"),
    (spoil_json(codec={}), "codec is damaged", "model.json"),
    (spoil_json(codec=[1]), "codec is damaged", "model.json"),
    (spoil_json(architecture="gone"), "cannot be built", "model.json"),
    (spoil_json(shape={"kind": "table"}), "cannot be built", "model.json"),
    (spoil_json(options={"width": 32}), "not of this model: size mismatch", "model.safetensors"),
    (lambda p: (p / "model.safetensors").unlink(), "weights are missing", "model.safetensors"),
    (
        lambda p: (p / "model.safetensors").write_bytes(
            (p / "model.safetensors").read_bytes()[:-100]
        ),
        "weights cannot be read",
        "model.safetensors",
    ),
    (header, "weights cannot be read", "model.safetensors"),
    (flipped, "their SHA-256 is another", "model.safetensors"),
    (spoil_json(weights_sha256="0" * 64), "their SHA-256 is another", "model.safetensors"),
    (
        lambda p: (p / "model.safetensors").write_bytes(b""),
        "weights cannot be read",
        "model.safetensors",
    ),
]


@pytest.mark.parametrize(("spoil", "words", "file"), DAMAGE)
def test_a_damaged_folder_names_the_file(models, staged, spoil, words, file):
    folder = models.publish("towns", staged())
    whole = models.publish("whole", staged())
    spoil(folder.path)
    with pytest.raises(LeptonError) as caught:
        outputs(models.get("towns@1"), ROWS)
    assert words in str(caught.value)
    assert caught.value.where == str(folder.path / file)
    assert caught.value.hint
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    # The others are as they were, the next version has its own number, and the damage can go.
    assert whole in models.list()
    assert models.publish("towns", staged()).version == 2
    models.remove("towns@1")
    assert models.get("towns").version == 2


def test_a_folder_that_is_no_model_is_a_wrong_call(tmp_path):
    with pytest.raises(UsageError, match="no model") as caught:
        open_folder(tmp_path)
    assert "model.json" in caught.value.hint


def test_no_pickle_is_loaded_for_weights(models, staged):
    """Weights in torch's own format, which is pickle, are not read at all."""
    folder = models.publish("towns", staged())
    torch.save({"a": torch.zeros(1)}, folder.weights)
    with pytest.raises(LeptonError, match="cannot be read"):
        load_module(folder)


PUBLISH = """
import shutil, sys
from pathlib import Path
from core.models.registry import Models
from core.workspace import Workspace

workspace = Workspace.open(sys.argv[1])
models = Models(workspace)
sys.stdin.readline()
for number in range(8):
    mine = workspace.tmp / f"{sys.argv[2]}-{number}"
    shutil.copytree(sys.argv[3], mine)
    print(models.publish("towns", mine).version)
"""


def test_four_processes_publish_the_same_name_at_once(models, staged, workspace):
    template = staged()
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISH, str(workspace.home), str(number), str(template)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in racing:
        process.stdin.write("go\n")
        process.stdin.flush()
    written = [process.communicate(timeout=60)[0].split() for process in racing]
    assert [process.returncode for process in racing] == [0] * 4
    versions = [int(version) for lines in written for version in lines]
    assert sorted(versions) == list(range(1, 33))
    assert [folder.version for folder in models.list()] == list(range(32, 0, -1))
    shutil.rmtree(template)
    assert list(workspace.tmp.iterdir()) == []
