"""Pretrained models: found in a folder or on a hub, read as they read, refused with words."""

import json
import re
import socket
from urllib.parse import unquote

import pytest
import torch

from core.errors import LeptonError, UsageError
from core.models.architectures import build
from core.models.hub.base import Base, is_base, placed
from core.models.hub.pretrained import start
from core.models.hub.tuning import merged
from core.tasks.preprocessing import ImageReading, SeriesReading, SoundReading
from tests.data.sources.web_server import send, serving

from . import bases

TEXTS = ["the good film was good", "a bad plot and a bad scene", "she went on, and on"] * 20
LORA = {"tune": "lora", "rank": 4, "alpha": 8}
FULL = {**LORA, "tune": "full"}
HEAD = {**LORA, "tune": "head"}
WORDS = {"kind": "tokens", "length": 12, "outputs": 3}
SERIES = {"kind": "series", "context": 28, "columns": 2, "outputs": 7, "phases": 7, "season": 7}
OBJECTS = {"kind": "objects", "channels": 3, "height": 64, "width": 64, "outputs": 3}
SPEECH = {"kind": "speech", "rate": 16_000, "level": True, "places": [], "outputs": 9}
WRITING = {
    "kind": "speech-seq2seq",
    "rate": 16_000,
    "seconds": 2,
    "prefix": [1, 2],
    "end": 0,
    "most": 30,
    "silent": [],
    "silent_first": [],
    "outputs": 200,
}
IMAGE = {"kind": "image", "channels": 3, "height": 16, "width": 16, "outputs": 3}
OTHERS = {
    "detr": (OBJECTS, (torch.randn(2, 3, 64, 64),)),
    "yolos": (OBJECTS, (torch.randn(2, 3, 64, 64),)),
    "patchtst": (SERIES, (torch.randn(4, 28, 2), torch.zeros(4, 7, 7))),
    "wav2vec2": (SPEECH, (torch.randn(3, 4000), torch.tensor([4000, 900, 2000]))),
    "whisper": (
        WRITING,
        (torch.randn(2, 4000), torch.tensor([4000, 900]), torch.tensor([[1, 2, 7], [1, 2, 9]])),
    ),
}
"""Of models that read neither texts nor single pictures: a shape, and inputs."""


@pytest.fixture
def bert(tmp_path):
    return bases.bert(tmp_path / "tiny bert", TEXTS)


def words(base):
    return {**WORDS, "vocabulary": base.structure["vocab_size"]}


def some(base, rows=5):
    torch.manual_seed(1)
    tokens = torch.randint(4, base.structure["vocab_size"], (rows, 12), dtype=torch.int32)
    return tokens, torch.tensor([12, 1, 5, 7, 12][:rows])


def test_names_and_places():
    assert is_base("./it") and is_base("owner/name") and is_base("~/it")
    assert not is_base("bert")
    assert not is_base(None)
    assert placed("owner/name") == "owner/name"
    assert placed("./it").startswith("/")


def test_the_weights_are_the_folders_and_the_head_is_new(bert):
    from transformers import BertForSequenceClassification

    base = Base.find(str(bert))
    assert base.short == "tiny-bert"
    said = []
    module = start(base, words(base), **FULL, say=said.append).eval()
    theirs = BertForSequenceClassification.from_pretrained(bert).eval()
    tokens, length = some(base)
    mask = torch.arange(12) < length[:, None]
    with torch.inference_mode():
        ours = module.model.bert(tokens, attention_mask=mask).pooler_output
        assert torch.equal(ours, theirs.bert(tokens, attention_mask=mask).pooler_output)
        assert module(tokens, length).shape == (5, 3)
    assert said == ["new weights, to be learnt: classifier.bias, classifier.weight"]
    # Without the folder, the same module is built from what is known of it.
    alike = build("pretrained", words(base), {**FULL, "structure": dict(base.structure)}).eval()
    alike.load_state_dict(module.state_dict())
    with torch.inference_mode():
        assert torch.equal(alike(tokens, length), module(tokens, length))


def test_how_it_reads_is_taken_from_its_files(bert, tmp_path):
    reading = Base.find(str(bert)).reading("tokens")
    assert reading.most == 40
    assert reading.length(0, 256) == 40
    with pytest.raises(UsageError, match="reads 40 pieces at most"):
        reading.length(41, 256)
    vit = Base.find(str(bases.vit(tmp_path / "vit"))).reading("image")
    assert vit == ImageReading((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), (16, 16), fixed=True)
    with pytest.raises(UsageError, match="reads 16 x 16 pixels"):
        vit.side(32)
    patchtst = Base.find(str(bases.patchtst(tmp_path / "patchtst"))).reading("series")
    assert patchtst == SeriesReading(28)
    assert patchtst.steps(0) == patchtst.steps(28) == 28
    with pytest.raises(UsageError, match="reads 28 steps"):
        patchtst.steps(30)
    folder = bases.wav2vec2(tmp_path / "wav2vec2", "ab")
    wav2vec2 = Base.find(str(folder)).reading("audio")
    said = ("<s>", "</s>", "<unk>", " ", "a", "b", "<pad>")
    assert wav2vec2 == SoundReading(16_000, True, said, blank=6, strange=2)
    both = {"feature_extractor": json.loads((folder / "preprocessor_config.json").read_text())}
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps(both))
    assert Base.find(str(folder)).reading("audio") == wav2vec2
    detr, yolos = (
        Base.find(str(getattr(bases, kind)(tmp_path / kind))).reading("image")
        for kind in ("detr", "yolos")
    )
    assert (detr.mean, detr.side(0), detr.side(128)) == (
        (0.485, 0.456, 0.406),
        (64, 64),
        (128, 128),
    )
    assert (yolos.side(0), yolos.side(128)) == ((64, 96), (128, 128))
    resnet = Base.find(str(bases.resnet(tmp_path / "resnet"))).reading("image")
    assert resnet.side(0) == (32, 32)
    assert resnet.side(48) == (48, 48)


def test_how_a_whisper_writes_is_taken_from_its_files(tmp_path):
    folder = bases.whisper(tmp_path / "it", TEXTS)
    reading = Base.find(str(folder)).reading("audio")
    end, start, english, german, write, plain = range(reading.end, reading.end + 6)
    assert reading.prefix("") == (start, english, write, plain)
    assert reading.prefix("de") == (start, german, write, plain)
    assert (reading.rate, reading.seconds, reading.silent_first) == (16_000, 2, (end,))
    file = folder / "generation_config.json"
    said = json.loads(file.read_text())
    for language in ("german", "<|de|>"):
        file.write_text(json.dumps({**said, "language": language}))
        assert Base.find(str(folder)).reading("audio").prefix("") == reading.prefix("de")
    # As the first ones were written.
    file.unlink()
    config = json.loads((folder / "config.json").read_text())
    forced = [[1, german], [2, write], [3, plain]]
    (folder / "config.json").write_text(json.dumps({**config, "forced_decoder_ids": forced}))
    assert Base.find(str(folder)).reading("audio").prefix("") == reading.prefix("de")
    facts = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**facts, "hop_length": 80}))
    with pytest.raises(UsageError, match="in other windows than Whisper"):
        Base.find(str(folder)).reading("audio")


@pytest.mark.parametrize("tune", [HEAD, LORA])
@pytest.mark.parametrize(
    "kind", ["bert", "gpt2", "vit", "resnet", "patchtst", "wav2vec2", "whisper", "detr", "yolos"]
)
def test_what_is_frozen_stays_and_what_is_added_is_merged(kind, tune, tmp_path):
    if kind in ("bert", "gpt2"):
        base = Base.find(str(getattr(bases, kind)(tmp_path / kind, TEXTS)))
        inputs = some(base)
        shape = words(base)
        if kind == "gpt2":
            shape, inputs = {**shape, "kind": "next-token"}, inputs[:1]
    else:
        folder = tmp_path / kind
        told = {"wav2vec2": ["abc"], "whisper": [TEXTS]}.get(kind, [])
        base = Base.find(str(getattr(bases, kind)(folder, *told)))
        shape, inputs = OTHERS.get(kind, (IMAGE, (torch.randn(4, 3, 16, 16),)))
    if kind == "gpt2" and tune is HEAD:
        with pytest.raises(UsageError, match="no head of its own"):
            start(base, shape, **tune)
        return
    torch.manual_seed(0)
    module = start(base, shape, **tune).train()
    trained = [each for each in module.parameters() if each.requires_grad]
    assert (
        0
        < sum(each.numel() for each in trained)
        < sum(each.numel() for each in module.parameters())
    )

    def said(module):
        outputs = module(*inputs)
        return outputs if isinstance(outputs, torch.Tensor) else outputs[0]

    frozen = {
        name: each.clone() for name, each in module.named_parameters() if not each.requires_grad
    }
    optimizer = torch.optim.SGD(trained, lr=0.01 if kind == "resnet" else 0.2)
    for _ in range(3):
        optimizer.zero_grad()
        said(module).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(each, dict(module.named_parameters())[n]) for n, each in frozen.items())
    module.eval()
    with torch.inference_mode():
        before = said(module)
        plain = build("pretrained", shape, {**tune, "structure": dict(base.structure)}).eval()
        fresh = start(base, shape, **FULL).eval()
        plain.load_state_dict(merged(module).state_dict())
        assert torch.allclose(said(plain), before, atol=1e-5)
        below = fresh.model.get_submodule(fresh.backbone).state_dict()
        own = plain.model.get_submodule(plain.backbone).state_dict()
        moved = [name for name, each in below.items() if not torch.equal(each, own[name])]
    assert bool(moved) == (tune is LORA)


def test_pickled_weights_are_refused(bert):
    torch.save({}, bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="weights are pickled") as caught:
        Base.find(str(bert))
    assert "save_pretrained" in caught.value.hint
    (bert / "pytorch_model.bin").unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors is missing"):
        Base.find(str(bert))


def test_what_is_no_model_is_told(bert, tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        Base.find(str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"config\.json is missing"):
        Base.find(str(tmp_path))
    (bert / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"no tokenizer\.json"):
        Base.find(str(bert)).reading("tokens")
    (bert / "config.json").write_text('{"model_type": "nonesuch"}')
    with pytest.raises(LeptonError, match="cannot be built"):
        start(Base.find(str(bert)), {**WORDS, "vocabulary": 9}, **FULL)
    (bert / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        Base.find(str(bert))


def test_weights_of_another_model_are_refused(bert, tmp_path):
    base = Base.find(str(bert))
    bases.vit(tmp_path / "vit")
    (bert / "model.safetensors").write_bytes((tmp_path / "vit" / "model.safetensors").read_bytes())
    with pytest.raises(LeptonError, match="not of this model"):
        start(base, words(base), **FULL)


def test_a_model_that_was_made_for_something_else_is_refused(bert, tmp_path):
    vit, patchtst = (
        Base.find(str(getattr(bases, kind)(tmp_path / kind))) for kind in ("vit", "patchtst")
    )
    for base, shape, words in (
        (vit, {**WORDS, "vocabulary": 9}, "is a vit, which cannot tell classes of texts"),
        (patchtst, IMAGE, "is a patchtst, which cannot tell classes of images"),
        (vit, OBJECTS, "is a vit, which cannot find objects"),
        (patchtst, SPEECH, "is a patchtst, which cannot tell the letters of sounds"),
        (patchtst, WRITING, "is a patchtst, which cannot write what is said"),
        (Base.find(str(bert)), SERIES, "is a bert, which cannot forecast"),
    ):
        with pytest.raises(UsageError, match=words):
            start(base, shape, **FULL)
    with pytest.raises(UsageError, match="is a vit, and of those that forecast only patchtst"):
        vit.reading("series")
    with pytest.raises(UsageError, match="reads sounds by a nameless extractor"):
        vit.reading("audio")
    with pytest.raises(UsageError, match=r"has no preprocessor_config\.json") as caught:
        patchtst.reading("audio")
    assert "AutoProcessor" in caught.value.hint


@pytest.mark.parametrize("kind", ["detr", "yolos"])
def test_a_finder_says_what_transformers_own_says(kind, tmp_path):
    base = Base.find(str(getattr(bases, kind)(tmp_path / kind)))
    module = start(base, {**OBJECTS, "outputs": 2}, **FULL).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        logits, boxes, places = module(images)
        theirs = module.model(images)
        # Of a class and of nothing alone, it is as likely as the softmax of both says.
        pair = theirs.logits[..., [0, -1]].softmax(-1)[..., 0]
        assert torch.allclose(logits[..., 0].sigmoid(), pair, atol=1e-5)
    x, y, width, height = theirs.pred_boxes.unbind(-1)
    assert torch.allclose(boxes[..., 0], (x - width / 2) * 96, atol=1e-3)
    assert torch.allclose(boxes[..., 3], (y + height / 2) * 64, atol=1e-3)
    assert places.shape == (0, 5)
    said = []
    start(base, OBJECTS, **FULL, say=said.append)
    assert "class_labels_classifier" in said[0]
    assert "bbox_predictor" not in said[0]


def test_a_configuration_asks_for_auxiliary_losses(tmp_path):
    folder = bases.detr(tmp_path / "detr")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auxiliary_loss": True}))
    asked = start(Base.find(str(folder)), OBJECTS, **FULL)
    assert asked.auxiliary
    assert not start(Base.find(str(bases.detr(tmp_path / "plain"))), OBJECTS, **FULL).auxiliary


def test_a_model_whose_parts_need_another_package_is_told(tmp_path):
    base = Base.find(str(bases.detr(tmp_path / "detr")))
    structure = {name: v for name, v in base.structure.items() if name != "backbone_config"}
    with pytest.raises(LeptonError, match="requires the timm library"):
        start(Base(base.ref, base.path, {**structure, "backbone": "resnet50"}), OBJECTS, **FULL)


def test_a_listener_says_its_letters_in_the_order_of_the_codes(tmp_path):
    base = Base.find(str(bases.wav2vec2(tmp_path / "it", "ab")))
    shape = {**SPEECH, "places": [6, 3, 4, 5, 2], "outputs": 5}
    said = []
    module = start(base, shape, **FULL, say=said.append).eval()
    assert not said
    sounds, length = torch.randn(2, 4000), torch.tensor([4000, 1000])
    with torch.inference_mode():
        logits, steps = module(sounds, length)
        level = (sounds[:1] - sounds[0].mean()) / sounds[0].std(unbiased=False)
        theirs = module.model(level).logits
        assert torch.allclose(logits[:1], theirs[..., [6, 3, 4, 5, 2]], atol=1e-4)
        assert steps.tolist() == [12, 2]
        alone, _ = module(sounds[1:, :1000], length[1:])
        assert torch.allclose(logits[1:, :2], alone, atol=1e-4)
    start(base, SPEECH, **FULL, say=said.append)
    assert said == ["new weights, to be learnt: lm_head.bias, lm_head.weight"]
    with pytest.raises(LeptonError, match="knows 10 pieces and the model 7"):
        start(base, {**shape, "places": [9]}, **FULL)


def test_a_forecaster_keeps_its_head_where_it_tells_enough(tmp_path):
    base = Base.find(str(bases.patchtst(tmp_path / "patchtst")))
    said = []
    module = start(base, SERIES, **FULL, say=said.append).eval()
    assert not said
    window = torch.randn(4, 28, 2)
    with torch.inference_mode():
        told = module(window, torch.zeros(4, 7, 7))
        # What stands beside the column that is forecast says nothing to such a model.
        alone = module.model(window[..., :1]).prediction_outputs[:, :7, 0]
        assert torch.equal(told, alone)
    start(base, {**SERIES, "outputs": 15}, **FULL, say=said.append)
    assert said == ["new weights, to be learnt: head.projection.bias, head.projection.weight"]


@pytest.fixture
def hub(bert, tmp_path, monkeypatch):
    """A hub with one model, me/tiny, and a cache of our own."""
    from huggingface_hub import constants

    files = {path.name: path.read_bytes() for path in bert.iterdir()}

    def answer(request):
        found = re.fullmatch(
            r"/me/tiny/resolve/[^/]+/(.+)", unquote(request.path.partition("?")[0])
        )
        if not found:
            send(request, b"{}", 404, {"X_Error_Code": "RepoNotFound"})
        elif found[1] not in files:
            headers = {"X_Error_Code": "EntryNotFound", "X_Repo_Commit": "a" * 40}
            send(request, b"{}", 404, headers)
        else:
            send(
                request, files[found[1]], 200, {"ETag": f'"{found[1]}"', "X_Repo_Commit": "a" * 40}
            )

    with serving() as server:
        server.otherwise = answer
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield server, files


def test_a_hub_id_is_fetched_once_and_its_weights_when_they_are_needed(hub, monkeypatch):
    server, _ = hub
    base = Base.find("me/tiny")
    assert base.structure["model_type"] == "bert"
    assert base.short == "tiny"
    assert not any("safetensors" in path for path, _ in server.asked)
    module = start(base, words(base), **FULL)
    assert any("model.safetensors" in path for path, _ in server.asked)
    asked = len(server.asked)
    again = start(Base.find("me/tiny"), words(base), **FULL)
    assert len(server.asked) == asked
    assert torch.equal(module.model.bert.pooler.dense.weight, again.model.bert.pooler.dense.weight)


def test_no_such_model_and_no_hub_are_told(hub, monkeypatch):
    from huggingface_hub import constants

    with pytest.raises(UsageError, match="no model me/other on the hub"):
        Base.find("me/other")
    with pytest.raises(UsageError, match="no name of a model"):
        Base.find("a/b/c")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(LeptonError, match="the hub cannot be reached") as caught:
        Base.find("me/tiny")
    assert "name that instead: ./FOLDER" in caught.value.hint


def test_a_hub_that_no_network_leads_to_is_told_at_the_first_tries(hub, monkeypatch, caplog):
    asked = []

    def nowhere(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(LeptonError, match="the hub cannot be reached") as caught:
        Base.find("me/tiny")
    assert "name that instead: ./FOLDER" in caught.value.hint
    assert 1 <= len(asked) <= 2
    assert "Retrying" not in caplog.text


def test_pickled_weights_of_the_hub_are_not_fetched(hub):
    server, files = hub
    del files["model.safetensors"]
    files["pytorch_model.bin"] = b"boom"
    with pytest.raises(UsageError, match="no weights"):
        Base.find("me/tiny").with_weights()
    assert not any("pytorch_model.bin" in path for path, _ in server.asked)
