"""Steps: in parts as in one, with less memory, by any optimizer, for classes of unequal size."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.training.averaging import Average, judged
from core.training.config import TrainConfig
from core.training.optimizer import Optimizer
from core.training.shuffle import balanced_order
from core.training.stepper import class_weights

CPU = torch.device("cpu")


def weights(trainer):
    return torch.cat([each.detach().flatten() for each in trainer.module.parameters()])


STEADY = {"epochs": 2, "batch_size": 16, "options": {"dropout": 0.0}}


def test_a_step_in_parts_is_the_step_in_one(penguins, trainer):
    whole, parts = (trainer("penguins", f"in{n}", **STEADY, accumulate=n) for n in (1, 5))
    assert whole.fit()
    assert parts.fit()
    assert whole.progress.step == parts.progress.step
    assert torch.allclose(weights(whole), weights(parts), atol=2e-5)
    assert not torch.allclose(weights(whole), weights(trainer("penguins", "new", **STEADY)))


def test_a_step_for_which_there_is_no_memory_is_taken_in_parts(penguins, trainer):
    plain = trainer("penguins", "plain", **{**STEADY, "options": {"dropout": 0.3}}, accumulate=4)
    assert plain.fit()
    tight = trainer("penguins", "tight", **{**STEADY, "options": {"dropout": 0.3}})
    loss = tight.task.loss
    tries = []

    def no_room(outputs, batch, weight=None):
        if tight.module.training:
            tries.append(len(outputs))
            if len(outputs) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(outputs, batch, weight)

    tight.task.loss = no_room
    assert tight.fit()
    # Sixteen, eight, and then fours to the end: what was found out is not tried again.
    assert tries[:3] == [16, 8, 4]
    assert max(tries[2:]) == 4
    # The dropout of the failed tries left no trace.
    assert torch.equal(weights(plain), weights(tight))
    assert "in 4 parts" in tight.emit.of("log")[-1]["text"]
    again = trainer("penguins", "tight", **STEADY)
    again.restore(again.checkpoints.latest()[0])
    assert again.stepper.parts == 4


def test_an_example_that_is_too_large_by_itself_is_an_error(penguins, trainer):
    it = trainer("penguins", **STEADY)

    def no_room(outputs, batch, weight=None):
        raise torch.OutOfMemoryError("CUDA out of memory")

    it.task.loss = no_room
    with pytest.raises(torch.OutOfMemoryError):
        it.fit()
    assert it.stepper.parts == 16


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_every_optimizer_learns(penguins, trainer, optimizer, precision):
    rate = {"adamw": 3e-3, "sgd": 0.05, "muon": 3e-3}[optimizer]
    settings = {"optimizer": optimizer, "lr": rate, "precision": precision}
    it = trainer("penguins", **settings, epochs=10, batch_size=16)
    assert it.fit()
    assert it.best.metrics["val/accuracy"] > 0.9  # the commonest kind is 44 in 100


def test_muon_moves_filters_by_an_orthogonal_step_and_leaves_the_head_to_adamw():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(8, 8), nn.Linear(8, 3))
    module.to(memory_format=torch.channels_last)
    config = TrainConfig("d", optimizer="muon", lr=0.1, weight_decay=0.0)
    optimizer = Optimizer(module, config, CPU)
    before = [each.detach().clone() for each in module.parameters()]
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    moved = [b - a.detach() for a, b in zip(module.parameters(), before, strict=True)]
    filters = moved[0].permute(0, 2, 3, 1).reshape(8, -1)
    values = torch.linalg.svdvals(filters)
    assert values.max() / values.min() < 2
    # AdamW's first step moves every number by the rate.
    assert torch.allclose(moved[4].abs(), torch.full_like(moved[4], 0.1), atol=1e-4)


def test_what_muon_keeps_of_a_filter_has_its_shape_however_the_filter_lies_in_memory():
    """A checkpoint of one process is gone on with in parts, which lie otherwise."""
    config = TrainConfig("d", optimizer="muon", lr=0.1)
    gradient = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(1))

    def stepped(layout, kept=None):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), nn.Flatten(), nn.Linear(8, 3))
        module.to(memory_format=layout)
        optimizer = Optimizer(module, config, CPU)
        if kept is not None:
            optimizer.restore(kept, optimizer.settings())
        module[0].weight.grad = gradient.clone(memory_format=layout)
        optimizer.step()
        return optimizer.tensors()["0.weight.momentum_buffer"]

    last, plain = torch.channels_last, torch.contiguous_format
    first = stepped(last)
    assert torch.equal(first, stepped(plain))
    expected = first.lerp(gradient, 0.05)
    for layout in (last, plain):
        again = stepped(layout, {"0.weight.momentum_buffer": first.clone()})
        torch.testing.assert_close(again, expected)


@pytest.mark.parametrize(
    ("optimizer", "given", "kept"),
    [("sgd", None, 0.9), ("sgd", 0.6, 0.6), ("muon", None, 0.95), ("muon", 0.6, 0.6)],
)
def test_momentum_is_what_was_asked_for_or_the_usual_one(optimizer, given, kept):
    config = TrainConfig("d", optimizer=optimizer, lr=0.1, momentum=given)
    made = Optimizer(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), config, CPU)
    assert [group["momentum"] for group in made.groups if "momentum" in group] == [kept]


def test_an_even_average_is_the_mean_of_what_the_weights_were():
    module = nn.Linear(2, 1, bias=False)
    average = Average(module, TrainConfig("d", swa=0.5), steps=4)
    for step in range(1, 5):
        module.weight.data.fill_(float(step))
        average.after(step, module)
        assert average.begun == (step > 2)
    with average.within(module):
        assert module.weight.tolist() == [[3.5, 3.5]]
    assert module.weight.tolist() == [[4.0, 4.0]]


def test_a_moving_average_is_judged_and_kept_instead_of_the_weights(penguins, trainer):
    it = trainer("penguins", epochs=3, batch_size=16, ema=0.95)
    assert it.fit()
    kept = torch.cat([each.flatten() for each in it.best.weights.values()])
    with judged(it.module, it.average):
        averaged = weights(it)
    if it.best.step == it.progress.step:
        assert torch.equal(kept, averaged)
    assert not torch.equal(kept, weights(it))


def test_smoothing_and_weights_are_those_of_torch(penguins, trainer):
    it = trainer("penguins", batch_size=16, label_smoothing=0.2, balance="weights", dropout=0.0)
    batch = next(iter(it.train.epoch(0, 0, 16)))
    outputs = it.module(*it.task.inputs(batch))
    counts = np.bincount(it.train.target)
    weight = torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
    assert torch.allclose(class_weights(it.train.target, len(counts)), weight)
    hard = F.cross_entropy(outputs, batch["target"], weight=weight, reduction="sum") / 16
    even = -outputs.log_softmax(1).mean()
    assert torch.allclose(it.stepper._loss(outputs, batch), 0.8 * hard + 0.2 * even)
    plain = trainer("penguins", "other", batch_size=16, label_smoothing=0.2)
    smooth = F.cross_entropy(outputs, batch["target"], label_smoothing=0.2)
    assert torch.allclose(plain.stepper._loss(outputs, batch), smooth)


def test_balanced_sampling_has_every_class_as_often_and_no_row_left_out_of_the_rare():
    classes = np.array([0] * 90 + [1] * 8 + [2] * 2)
    drawn = balanced_order(3, 5, classes)
    counts = np.bincount(classes[drawn])
    assert len(drawn) == 100
    assert max(counts) - min(counts) <= 2
    rare = np.bincount(drawn, minlength=100)[90:]
    assert rare.min() >= 3
    assert np.array_equal(drawn, balanced_order(3, 5, classes))
    assert not np.array_equal(drawn, balanced_order(3, 6, classes))


def test_a_plateau_lowers_the_rate(penguins, trainer):
    it = trainer("penguins", epochs=9, batch_size=64, schedule="plateau", warmup=0, lr=1e-2)
    it.judge.scores = lambda *_: {"val/accuracy": 0.5}
    assert it.fit()
    rates = [event["lr"] for event in it.emit.of("step")]
    assert it.progress.rate == pytest.approx(0.3**2)
    assert rates[0] == 1e-2
    assert rates[-1] == pytest.approx(1e-2 * 0.3**2)


def test_training_ends_when_its_time_is_up(penguins, clocked):
    it = clocked("penguins", seconds=1, epochs=1000, batch_size=16, max_time="20s")
    assert it.fit()
    assert it.progress.finished
    assert it.progress.step == 20
    assert it.best is not None
    assert math.isfinite(it.progress.metrics["val/loss"])
