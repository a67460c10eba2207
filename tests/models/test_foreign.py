"""Models made elsewhere: they answer here as they did there; what runs code is refused."""

import json
import pickle
import shutil
import zipfile

import pyarrow as pa
import pytest
import torch

from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.inference.engine import Engine
from core.inference.examples import as_tensors, run
from core.models.architectures import build, resolve
from core.models.folder import load_module, save_model
from core.models.foreign.arriving import Wish, bring_in
from core.models.hub.base import Base
from core.models.registry import Models, task_of
from core.tasks import facts, guess, task
from core.workspace import Workspace

from . import bases

TEXTS = ["the good film was good", "a bad plot and a bad scene", "she went on, and on"] * 20
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def models(workspace):
    return Models(workspace)


@pytest.fixture
def towns(workspace, models):
    """A model of the workspace, "towns", whose weights files may hold."""
    table = pa.table({"n": [1.0, 2.0, None, 4.0], "town": ["x", "y", "x", "y"], "y": list("abab")})
    lake = Lake(workspace)
    with lake.open(lake.commit("towns", table, op="test")) as view:
        fit = guess(facts(view), "y")
        learned = task(fit.task).learn(fit, view)
    staged = workspace.tmp / "staged"
    staged.mkdir()
    info = {"name": "towns", "architecture": "mlp", "options": resolve("mlp", learned.shape)}
    save_model(staged, build("mlp", learned.shape), learned, info)
    return models.publish("towns", staged)


@pytest.fixture
def other(towns):
    """A module like that of "towns", with weights of its own."""
    torch.manual_seed(9)
    return build("mlp", task_of(towns).shape, towns.info["options"]).eval()


def refused(models, place, *words, kind=UsageError, **wish):
    """It is refused with these words, and nothing of it is left."""
    before = models.names()
    with pytest.raises(kind) as caught:
        bring_in(models, str(place), Wish(**wish))
    for word in words:
        assert word in f"{caught.value.what} {caught.value.hint}"
    assert models.names() == before
    assert not list(models.workspace.tmp.iterdir())


def outputs(folder, rows):
    known = task_of(folder)
    batch = run(as_tensors(known.encode(rows, target=False)), 0, len(rows))
    with torch.inference_mode():
        return load_module(folder)(*known.inputs(batch))


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_a_bert_tells_here_what_transformers_says(models, tmp_path):
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = bases.bert(tmp_path / "bert", TEXTS, labels=3)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "good", "1": "bad", "2": "bad"}
    (folder / "config.json").write_text(json.dumps(config))
    said = []
    found = bring_in(models, str(folder), Wish(column="review", target="stars"), said.append)
    assert found.ref == "bert@1"
    assert said == ["a model of transformers: bert, for text-classification"]
    known = task_of(found)
    assert (known.columns, known.target) == (("review",), "stars")
    assert known.labels == ("good", "bad (1)", "bad (2)")
    theirs = BertForSequenceClassification.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)(TEXTS[:3], padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = theirs(words.input_ids, attention_mask=words.attention_mask).logits
    shutil.rmtree(folder)
    assert torch.allclose(outputs(found, [{"review": t} for t in TEXTS[:3]]), expected, atol=1e-5)


def test_several_labels_of_a_text(models, tmp_path):
    folder = bases.bert(tmp_path / "bert", TEXTS, labels=3)
    config = json.loads((folder / "config.json").read_text())
    config["problem_type"] = "multi_label_classification"
    (folder / "config.json").write_text(json.dumps(config))
    found = bring_in(models, str(folder), Wish())
    assert task_of(found).gives == "labels"
    assert outputs(found, [{"text": "a film"}]).shape == (1, 3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bases.vit, "image-classification"),
        (bases.resnet, "image-classification"),
        (bases.detr, "object-detection"),
        (bases.yolos, "object-detection"),
        (lambda folder: bases.gpt2(folder, TEXTS), "text-generation"),
        (lambda folder: bases.wav2vec2(folder, LETTERS), "automatic-speech-recognition"),
        (lambda folder: bases.whisper(folder, TEXTS), "automatic-speech-recognition"),
    ],
)
def test_what_it_was_made_for_is_its_task(models, tmp_path, make, name):
    found = bring_in(models, str(make(tmp_path / "it")), Wish(name="mine"))
    assert found.name == "mine"
    assert found.info["task"] == name
    load_module(models.get("mine"))


def test_a_whisper_writes_the_language_that_is_named(models, tmp_path):
    """Else it would write German sounds down in English words, and nobody were told."""
    folder = bases.whisper(tmp_path / "it", TEXTS)

    def prefix(**wish):
        said = []
        found = bring_in(models, str(folder), Wish(**wish), said.append)
        return load_module(found).prefix, task_of(found).transcribing.prefix, said[-1]

    known = Base.find(str(folder)).reading("audio").languages
    for wish, code in (({}, "en"), ({"language": "de"}, "de")):
        of_module, of_codec, told = prefix(**wish)
        assert tuple(of_module) == of_codec
        assert of_codec[1] == known[code]
        assert told == f"writes {code}, one of 2 languages it knows"
    refused(models, folder, "language=fr cannot be", language="fr")
    refused(models, bases.vit(tmp_path / "vit"), "does not tell languages apart", language="de")
    found = models.get("it")
    refused(models, found.path, "goes with a model of transformers", language="de")


def test_a_model_without_a_head_or_a_task_is_told_to_be_trained(models, tmp_path):
    from transformers import BertConfig, BertModel

    folder = bases.bert(tmp_path / "bert", TEXTS)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    BertModel(BertConfig(**small, num_attention_heads=2)).save_pretrained(folder)
    refused(models, folder, "BertModel", "lepton train DATASET")
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    (folder / "config.json").write_text(json.dumps(config))
    refused(models, folder, "no weights for", "never trained")
    refused(models, bases.patchtst(tmp_path / "p"), "PatchTSTForPrediction")


def changed(folder, **values):
    """The folder, with other values in its config.json."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return folder


@pytest.mark.parametrize("kind", [None, "regression"])
def test_a_head_of_one_number_tells_the_number_that_transformers_tells(models, tmp_path, kind):
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = changed(bases.bert(tmp_path / "bert", TEXTS, labels=1), problem_type=kind)
    said = []
    found = bring_in(models, str(folder), Wish(column="review"), said.append)
    assert said[0] == "a model of transformers: bert, for text-regression"
    assert "its number is told as its head has it" in said[1]
    known = task_of(found)
    assert (known.columns, known.target, known.gives) == (("review",), "score", "number")
    theirs = BertForSequenceClassification.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)(TEXTS[:3], padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = theirs(words.input_ids, attention_mask=words.attention_mask).logits[:, 0]
    shutil.rmtree(folder)
    answers = Engine(models.workspace, "cpu").predict(found.ref, [{"review": t} for t in TEXTS[:3]])
    assert [each.value for each in answers] == pytest.approx(expected.tolist(), abs=1e-5)


def test_numbers_of_what_no_task_tells_them_of_are_refused(models, tmp_path):
    several = changed(bases.bert(tmp_path / "bert", TEXTS, labels=3), problem_type="regression")
    refused(models, several, "tells 3 numbers of a text at once", "lepton train DATASET --model")
    image = changed(bases.vit(tmp_path / "vit"), problem_type="regression")
    refused(models, image, "tells a number of an image", "lepton train DATASET --model")


def test_a_folder_of_lepton_comes_in_from_another_machine(models, towns, tmp_path):
    shutil.copytree(towns.path, tmp_path / "copy")
    found = bring_in(models, str(tmp_path / "copy"), Wish(name="brought"))
    rows = [{"n": 3, "town": "x"}]
    assert torch.equal(outputs(found, rows), outputs(towns, rows))
    assert found.info["source"]["place"] == str(tmp_path / "copy")


@pytest.mark.parametrize(
    "holding",
    [
        lambda weights: weights,
        lambda weights: {"model": {f"module.{k}": v for k, v in weights.items()}, "epoch": 3},
        lambda weights: {"state_dict": {f"_orig_mod.{k}": v for k, v in weights.items()}},
    ],
)
def test_a_state_dict_becomes_a_model_like_the_one_named(models, towns, other, tmp_path, holding):
    file = tmp_path / "Other Towns.pt"
    torch.save(holding(other.state_dict()), file)
    found = bring_in(models, str(file), Wish(like="towns"))
    assert found.ref == "other-towns@1"
    rows = [{"n": 3, "town": "x"}, {"n": None, "town": "new"}]
    batch = {k: torch.from_numpy(v) for k, v in task_of(found).encode(rows, target=False).items()}
    with torch.inference_mode():
        assert torch.equal(outputs(found, rows), other(*task_of(found).inputs(batch)))


def test_weights_alone_ask_for_the_model_that_they_fit(models, towns, other, tmp_path):
    file = tmp_path / "w.pt"
    torch.save(other.state_dict(), file)
    refused(models, file, "--like towns@1")
    torch.save({"a": torch.zeros(2)}, file)
    refused(models, file, "No model here has such weights")
    refused(models, file, "lack", like="towns")
    wrong = other.state_dict() | {"head.bias": torch.zeros(7)}
    torch.save(wrong, file)
    refused(models, file, 'the size of "head.bias" is 7 and not 2', like="towns")
    torch.save(other.state_dict() | {"head.bias": torch.full((2,), float("nan"))}, file)
    refused(models, file, "no number", like="towns")


def test_what_runs_code_is_refused_and_not_run(models, towns, other, tmp_path):
    mark = tmp_path / "ran"
    torch.save(other, tmp_path / "module.pt")
    refused(models, tmp_path / "module.pt", "run code", like="towns")
    torch.save({"head.bias": Bomb(mark)}, tmp_path / "bomb.pt")
    refused(models, tmp_path / "bomb.pt", "run code", like="towns")
    for name in ("it.pkl", "it.joblib", "it.pt"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(mark)))
        refused(models, tmp_path / name, "this is a pickle", like="towns")
    batch = task_of(towns).encode([{"n": 3, "town": "x"}] * 2, target=False)
    inputs = task_of(towns).inputs({k: torch.from_numpy(v) for k, v in batch.items()})
    torch.export.save(torch.export.export(other, inputs), tmp_path / "it.pt2")
    refused(models, tmp_path / "it.pt2", "exported program", like="towns")
    shutil.copy(tmp_path / "it.pt2", tmp_path / "hidden.pt")
    refused(models, tmp_path / "hidden.pt", "none of weights alone", like="towns")
    assert not mark.exists()


def test_an_archive_that_unpacks_to_more_than_it_is(models, towns, other, tmp_path):
    file = tmp_path / "bomb.pt"
    torch.save({"a": torch.zeros(1 << 20)}, file)
    with (
        zipfile.ZipFile(file) as whole,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for each in whole.infolist():
            packed.writestr(each.filename, whole.read(each))
    refused(models, tmp_path / "packed.pt", "unpack to more", like="towns")
    with zipfile.ZipFile(tmp_path / "out.pt", "w") as made:
        made.writestr("a/../../data.pkl", b"")
    refused(models, tmp_path / "out.pt", "outside itself", like="towns")
    torch.save({"head.bias": torch.zeros(1).expand(1 << 40)}, file)
    refused(models, file, "larger than the file", like="towns")
    torch.save({"head.bias": torch.zeros(2).to_sparse()}, file)
    refused(models, file, "no plain tensor", like="towns")


def test_damaged_files(models, towns, tmp_path):
    for name, content in [("it.pt", b"PK\3\4 not so"), ("it.safetensors", b"\xff" * 90)]:
        (tmp_path / name).write_bytes(content)
        refused(models, tmp_path / name, like="towns")
    (tmp_path / "it.txt").write_text("hello")
    refused(models, tmp_path / "it.txt", "no file of weights", like="towns")
    (tmp_path / "it.onnx").write_bytes(b"\x08\x08")
    refused(models, tmp_path / "it.onnx", "ONNX")
    (tmp_path / "empty").mkdir()
    refused(models, tmp_path / "empty", "config.json is missing")


def test_a_hash_says_whether_it_is_the_file_that_was_meant(models, tmp_path):
    folder = bases.vit(tmp_path / "vit")
    refused(models, folder, "not the one that was meant", sha256="0" * 64)
    refused(models, folder, "64 hexadecimal digits", sha256="abc")
    found = bring_in(models, str(folder), Wish())
    kept = found.info["source"]["sha256"]
    assert bring_in(models, str(folder), Wish(sha256=kept.upper())).version == 2


def test_nothing_is_read_or_written_outside_of_the_folder(models, towns, tmp_path):
    folder = bases.vit(tmp_path / "vit")
    refused(models, folder, "cannot be a name", name="../out")
    for name in ("model.safetensors", "preprocessor_config.json"):
        real = tmp_path / name
        shutil.move(folder / name, real)
        (folder / name).symlink_to(real)
        refused(models, folder, "a link out of it")
        (folder / name).unlink()
        shutil.move(real, folder / name)
    shutil.move(folder / "model.safetensors", tmp_path / "far.safetensors")
    index = {"weight_map": {"a": "../far.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(models, folder, "no safetensors beside it")
    copy = tmp_path / "copy"
    shutil.copytree(towns.path, copy)
    shutil.move(copy / "model.safetensors", tmp_path / "w")
    (copy / "model.safetensors").symlink_to(tmp_path / "w")
    refused(models, copy, "a link out of it")


def test_pickled_weights_of_transformers_are_refused(models, tmp_path):
    folder = bases.vit(tmp_path / "vit")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(models, folder, "pickled")


def test_code_beside_a_model_is_never_run(models, tmp_path):
    folder = bases.vit(tmp_path / "vit")
    mark = tmp_path / "ran"
    (folder / "modeling_it.py").write_text(f"open({str(mark)!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForImageClassification": "modeling_it.It"}
    (folder / "config.json").write_text(json.dumps(config))
    bring_in(models, str(folder), Wish())
    assert not mark.exists()
    assert task_of(models.get("vit")).name == "image-classification"
    config["model_type"] = "something-else"
    (folder / "config.json").write_text(json.dumps(config))
    refused(models, folder, kind=LeptonError)
