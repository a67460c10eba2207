"""A model that makes some of its first weights of training rows, on its way into a training."""

import torch

from core.data.lake.lake import Lake
from core.models.folder import load_module
from core.models.registry import Models
from core.training.config import TrainConfig
from core.training.feed import compiled
from core.training.module import untrained
from core.training.rehearsal import rehearse
from core.training.setup import decide
from core.training.start import start_training

DEADLINE = 120
ASKED = {"dataset": "digits", "model": "airbench", "batch_size": 32, "options": {"width": 4}}


def whitened(module, task, split):
    """How far the patches of a split are from being of variance 1, each on its own."""
    (images,) = task.inputs({"image": split.tensors["image"]})
    with torch.inference_mode():
        seen = torch.nn.functional.conv2d(images, module.whiten.weight)
    each = seen[:, : len(module.whiten.weight) // 2].transpose(0, 1).flatten(1)
    return (each @ each.T / each.shape[1] - torch.eye(len(each))).abs().max().item()


def test_it_is_shown_training_rows_drawn_by_the_seed(digits, trainer, monkeypatch):
    it = trainer("digits", **{k: v for k, v in ASKED.items() if k != "dataset"}, epochs=1)
    assert whitened(it.module, it.task, it.train) < 0.05
    before = it.module.whiten.weight.clone()
    assert it.fit()
    assert torch.equal(it.module.whiten.weight, before)

    monkeypatch.setattr("core.models.airbench.Airbench.examples", 40)
    few = [
        trainer("digits", **{k: v for k, v in ASKED.items() if k != "dataset"}, seed=seed).module
        for seed in (0, 0, 1)
    ]
    one, again, other = (each.whiten.weight for each in few)
    assert torch.equal(one, again)
    assert not torch.equal(one, other) and not torch.equal(one, before)
    assert not torch.equal(few[0].head.weight, few[2].head.weight)


def test_a_run_shows_it_and_one_that_goes_on_from_its_model_does_not(workspace, digits):
    run = start_training(workspace, {**ASKED, "epochs": 1, "threads": 1, "device": "cpu"})
    assert run.wait(DEADLINE).state == "finished", run.log_tail()
    first = load_module(Models(workspace).get("digits_airbench"))
    config = TrainConfig.from_mapping({**ASKED, "init_from": "digits_airbench", "seed": 7})
    setup = decide(workspace, config, device="cpu", precision="fp32", threads=1)
    with Lake(workspace).open(setup.version) as view:
        train = compiled(workspace, view, setup.task, "train")
    assert whitened(first, setup.task, train) < 0.05
    on = untrained(setup, train.tensors)
    assert all(torch.equal(a, b) for a, b in zip(on.parameters(), first.parameters(), strict=True))


def test_a_dry_run_shows_it_what_it_has(workspace, digits):
    told = rehearse(workspace, TrainConfig.from_mapping({**ASKED, "judge_every": 10}))
    every = rehearse(workspace, TrainConfig.from_mapping(ASKED))
    assert told.trained < told.parameters == every.parameters
