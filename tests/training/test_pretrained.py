"""Training goes on from a model that others trained, and what it makes stands alone."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open

from core.data.lake.lake import Lake
from core.errors import UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.models.folder import load_module
from core.models.registry import Models
from core.training.choice import choose
from core.training.config import TrainConfig
from core.training.rehearsal import rehearse
from core.training.start import start_training
from tests.models import bases

from .conftest import SAMPLES
from .test_loop import same

DEADLINE = 120


@pytest.fixture
def moods(workspace):
    """Texts whose class is in one word of theirs."""
    draw = np.random.default_rng(0)
    words = ["film", "plot", "actor", "scene", "music", "end"]
    rows = [[*draw.choice(words, 5), ("good", "bad")[at % 2]] for at in range(300)]
    texts = [" ".join(draw.permutation(row)) for row in rows]
    table = pa.table({"text": texts, "mood": ["up" if "good" in t else "down" for t in texts]})
    return Lake(workspace).commit("moods", table, op="import", target="mood")


@pytest.fixture
def bert(tmp_path):
    lines = ["the film was good", "a bad plot and a bad scene, no actor", "music to the end"]
    return bases.bert(tmp_path / "bert", lines * 20)


@pytest.mark.slow
def test_a_run_learns_and_its_model_needs_the_base_no_more(workspace, moods, bert, trainer):
    run = start_training(
        workspace,
        {"dataset": "moods", "model": str(bert), "tune": "lora", "epochs": 6, "lr": 5e-3}
        | {"threads": 1, "device": "cpu"},
    )
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    assert state.metrics["val/accuracy"] > 0.9
    plan = next(event for event in run.events() if event["event"] == "plan")
    assert plan["trained"] < plan["parameters"]
    shutil.rmtree(bert)
    folder = Models(workspace).get("moods_bert")
    assert folder.info["architecture"] == "pretrained"
    assert folder.info["base"] == str(bert)
    with safe_open(folder.weights, "pt") as weights:
        assert not [name for name in weights.keys() if "lora" in name]  # noqa: SIM118
    report = evaluate_model(workspace, "moods_bert", "moods", "validation", device="cpu")
    assert report.metrics["accuracy"] == pytest.approx(state.metrics["val/accuracy"])
    answers = Engine(workspace, "cpu").predict("moods_bert", ["a good film", "the plot bad"])
    assert [answer.output["label"] for answer in answers] == ["up", "down"]

    again = trainer("moods", init_from="moods_bert", tune="head", epochs=1)
    assert same(again.module.state_dict(), load_module(folder).state_dict())
    assert sum(each.numel() for each in again.parameters) == 2 * 32 + 2
    assert again.task.to_json() == folder.info["codec"]
    assert again.fit()
    assert again.best.metrics["val/accuracy"] > 0.9


def test_the_marks_of_a_base_stay_around_the_texts_that_are_changed(moods, bert, trainer):
    changed = trainer("moods", model=str(bert), augment="drop=1", epochs=1)
    batch = next(changed.train.epoch(0, 0, 16))
    made = changed.augmenter(batch, 0)
    first, last = changed.task.words.encode([""]).values
    ends = made["tokens"].gather(1, made["tokens_length"][:, None] - 1)
    assert (made["tokens"][:, 0] == first).all()
    assert (ends == last).all()
    assert (made["tokens_length"] == 3).all()


@pytest.mark.parametrize("tune", ["full", "head", "lora"])
def test_stopped_and_resumed_it_ends_with_the_same_bits(moods, bert, trainer, tune):
    settings = {"model": str(bert), "tune": tune, "epochs": 2, "batch_size": 32}
    whole = trainer("moods", "whole", **settings)
    frozen = {
        name: each.clone()
        for name, each in whole.module.named_parameters()
        if not each.requires_grad
    }
    assert whole.fit()
    trainer("moods", "parts", stop_at=3, **settings).fit()
    last = trainer("moods", "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    assert last.fit()
    ended = whole.module.state_dict()
    assert all(torch.equal(each, ended[name]) for name, each in last.module.state_dict().items())
    assert bool(frozen) == (tune != "full")
    assert all(torch.equal(each, ended[name]) for name, each in frozen.items())


def test_images_are_read_as_the_base_reads_them(digits, tmp_path, trainer):
    base = bases.vit(tmp_path / "vit")
    made = trainer("digits", model=str(base), epochs=1, tune="head")
    assert made.task.size == (16, 16)
    assert made.task.mean == (0.4, 0.5, 0.6)
    (image,) = made.task.inputs({"image": torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)})
    assert image[0, :, 0, 0].tolist() == pytest.approx([0.6 / 0.2, 0.5 / 0.25, 0.4 / 0.3])
    assert made.fit()


def test_texts_are_gone_on_with_in_the_pieces_of_the_base(workspace, tmp_path, trainer):
    lines = (SAMPLES / "text" / "austen_emma_400k.txt").read_text().splitlines()[:400]
    Lake(workspace).commit("emma", pa.table({"text": lines}), op="import")
    base = bases.gpt2(tmp_path / "gpt2", lines[:200])
    settings = {"task": "text-generation", "epochs": 3, "lr": 3e-3}
    made = trainer("emma", model=str(base), **settings)
    task = made.task
    end = json.loads((base / "config.json").read_text())["eos_token_id"]
    assert task.pairs.end == end != 0
    assert task.length == 32
    tokens = made.judge.validation.tensors["tokens"]
    target = np.asarray(made.judge.validation.target)
    known = target[target >= 0]
    text = task.pairs.decode(known.tolist())
    assert task.pairs.widths[known].sum() == len(text.encode())
    assert (known == end).sum() > 5
    assert tokens[0, 0] == end
    assert made.fit()
    untuned = trainer("emma", "untuned", model=str(base), **{**settings, "epochs": 1, "lr": 1e-9})
    assert untuned.fit()
    bits = [each.best.metrics["val/bits_per_byte"] for each in (made, untuned)]
    assert bits[0] < bits[1] - 0.5
    (said,) = task.answers(
        task.solve(
            made.module.eval(), {"tokens": torch.tensor([[end, *known[:5].tolist()]])}
        ).numpy()
    )
    assert said["text"]


def test_what_cannot_be_is_told_before_a_run_is_started(workspace, moods, penguins, bert):
    def refused(words, **settings):
        with pytest.raises(UsageError, match=words):
            choose(workspace, TrainConfig.from_mapping(settings))

    refused("not taken for tabular", dataset="penguins", model=str(bert))
    refused("no such folder", dataset="moods", model="./nonesuch")
    refused("tune=half cannot be: it is one of full", dataset="moods", model=str(bert), tune="half")
    (bert / "tokenizer.json").unlink()
    refused(r"no tokenizer\.json", dataset="moods", model=str(bert))


def test_a_dry_run_tells_how_much_of_it_is_trained(workspace, moods, bert):
    settings = {"dataset": "moods", "model": str(bert), "tune": "head", "batch_size": 8}
    told = rehearse(workspace, TrainConfig.from_mapping(settings))
    assert told.trained == 2 * 32 + 2
    assert told.settings["model"] == str(bert)
    assert told.settings["lr"] == 2e-3


def test_a_folder_means_the_same_from_everywhere(workspace, moods, bert):
    command = [sys.executable, "-m", "lepton_tui", "--home", str(workspace.home), "train", "moods"]
    said = subprocess.run(
        [*command, "--model", f"./{bert.name}", "--dry-run", "--json", "tune=head"],
        cwd=bert.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)["settings"]["model"] == str(bert)
