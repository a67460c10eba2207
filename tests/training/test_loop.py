"""The loop: exact when cut, early stopping, schedules that arrive, records that are few."""

import math

import pytest
import torch

from core.errors import LeptonError
from core.ingest import ingest
from core.training.ending import ended_by
from core.training.group import Group
from core.training.schedule import learning_rate
from tests.training.conftest import SAMPLES, few


def weights(trainer):
    return {name: each.clone() for name, each in trainer.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


CASES = {
    "mlp": ("penguins", {"model": "mlp", "batch_size": 16, "options": {"dropout": 0.3}}),
    "mlp-clip": ("penguins", {"model": "mlp", "batch_size": 16, "clip": 0.1}),
    "cnn": ("digits", {"model": "cnn", "batch_size": 16, "options": {"width": 8}}),
    "augmented": (
        "digits",
        {
            "model": "cnn",
            "batch_size": 16,
            "options": {"width": 8},
            "augment": "flip,crop,rotate,colour,erase,mixup,cutmix",
        },
    ),
    "lstm": ("reviews", {"model": "lstm", "options": {"length": 24}}),
    "lstm-augmented": (
        "reviews",
        {"model": "lstm", "options": {"length": 24}, "augment": "drop,swap"},
    ),
    "muon-ema": (
        "digits",
        {
            "model": "cnn",
            "batch_size": 16,
            "options": {"width": 8},
            "optimizer": "muon",
            "ema": 0.9,
            "accumulate": 2,
            "balance": "sampling",
        },
    ),
    "sgd-swa": (
        "penguins",
        {
            "model": "mlp",
            "batch_size": 16,
            "optimizer": "sgd",
            "lr": 0.05,
            "swa": 0.5,
            "schedule": "one-cycle",
            "label_smoothing": 0.1,
            "balance": "weights",
        },
    ),
    "airbench": (
        "digits",
        {
            "model": "airbench",
            "batch_size": 32,
            "options": {"width": 4, "views": "mirror"},
            "optimizer": "muon",
            "momentum": 0.6,
            "judge_every": 2,
            "augment": "flip:turns=alternating,translate",
        },
    ),
    "transformer": ("reviews", {"model": "transformer", "options": {"length": 24}}),
    # Its gradients are scaled.
    "half": (
        "penguins",
        {"model": "mlp", "batch_size": 16, "precision": "fp16", "options": {"dropout": 0.3}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_and_resumed_it_ends_with_the_same_bits(case, trainer, request):
    dataset, settings = CASES[case]
    request.getfixturevalue(dataset)
    settings = {**settings, "epochs": 3, "checkpoint_every": 5}
    whole = trainer(dataset, "whole", **settings)
    assert whole.fit()
    assert whole.steps_per_epoch > 3

    # In the middle of the first epoch, one step later, at an epoch's end, in the last epoch.
    for stop_at in (3, 4, whole.steps_per_epoch, 2 * whole.steps_per_epoch + 1):
        torch.manual_seed(stop_at)
        part = trainer(dataset, "parts", stop_at=stop_at, **settings)
        checkpoint, _ = part.checkpoints.latest()
        if checkpoint:
            part.restore(checkpoint)
        assert not part.fit()
        assert part.progress.step == stop_at
    last = trainer(dataset, "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    assert last.fit()

    assert same(weights(last), weights(whole))
    assert same(last.best.weights, whole.best.weights)
    assert last.best.metrics == whole.best.metrics
    assert last.progress.metrics == whole.progress.metrics
    assert same(last.stepper.optimizer.tensors(), whole.stepper.optimizer.tensors())
    if whole.average is not None:
        assert same(last.average.tensors(), whole.average.tensors())
    if whole.stepper.scaler is not None:
        # It counts the steps until its scale is to grow.
        assert last.stepper.scaler.state_dict() == whole.stepper.scaler.state_dict()


def test_what_waits_for_a_better_epoch_goes_on_waiting_after_a_resume(penguins, trainer):
    """An early end, and a plateau's rate: no epoch is better where hardly anything is learnt."""
    settings = {"batch_size": 16, "epochs": 20, "lr": 1e-12, "schedule": "plateau", "patience": 7}
    whole = trainer("penguins", "whole", **settings)
    assert whole.fit()
    assert (whole.progress.epoch, whole.progress.waited) == (8, 7)
    assert whole.progress.rate < 1
    for epoch in (3, 7):
        stop_at = epoch * whole.steps_per_epoch - 1
        part = trainer("penguins", "parts", stop_at=stop_at, **settings)
        if part.checkpoints.paths():
            part.restore(part.checkpoints.latest()[0])
        assert not part.fit()
    last = trainer("penguins", "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    assert last.fit()
    assert last.progress.step == whole.progress.step
    assert (last.progress.waited, last.progress.rate) == (7, whole.progress.rate)


def test_without_the_saved_random_state_the_bits_differ(penguins, trainer):
    """That the test above can fail: dropout draws from the generator that is restored."""
    settings = {"epochs": 2, "batch_size": 16, "options": {"dropout": 0.3}}
    whole = trainer("penguins", "whole", **settings)
    whole.fit()
    trainer("penguins", "parts", stop_at=5, **settings).fit()
    last = trainer("penguins", "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    torch.manual_seed(99)
    last.fit()
    assert not same(weights(last), weights(whole))


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(penguins, trainer):
    it = trainer("penguins", epochs=1, batch_size=32)
    seen = []
    step = it.train_step

    def remember(batch, rows):
        seen.append((step(batch, rows), rows))
        return seen[-1][0]

    it.train_step = remember
    it.fit()
    rows = sum(size for _, size in seen)
    expected = sum(loss.item() * size for loss, size in seen) / rows
    assert rows == it.train.rows
    (epoch,) = it.emit.of("epoch")
    assert epoch["train_loss"] == pytest.approx(expected)
    assert epoch["metrics"]["train/loss"] == epoch["train_loss"]
    assert {"val/loss", "val/accuracy", "val/f1_macro"} <= epoch["metrics"].keys()


def test_the_optimizer_follows_the_schedule(penguins, trainer):
    it = trainer("penguins", epochs=2, batch_size=64, warmup=3, schedule="linear")
    rates = []
    optimizer = it.stepper.optimizer
    step = optimizer.step
    optimizer.step = lambda: (rates.append(optimizer.groups[0]["lr"]), step())
    it.fit()
    assert rates == [learning_rate(it.config, n, it.steps) for n in range(it.steps)]
    assert len(set(rates)) > 3


def test_training_stops_early_and_keeps_the_best_epoch(penguins, trainer):
    it = trainer("penguins", epochs=50, patience=2, batch_size=16)
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.9])
    kept = []
    it.judge.scores = lambda *_: {"val/accuracy": next(scores), "val/loss": 0.5}
    it.emit = lambda event, **fields: event == "epoch" and kept.append(weights(it))
    assert it.fit()
    assert it.progress.epoch == 4
    assert (it.best.epoch, it.best.value) == (2, 0.7)
    assert same(it.best.weights, kept[1])
    assert not same(it.best.weights, kept[3])
    # A resumed run still knows the best weights, not only the last.
    again = trainer("penguins", epochs=50, patience=2, batch_size=16)
    again.restore(again.checkpoints.latest()[0])
    assert again.fit()
    assert same(again.best.weights, kept[1])


def test_a_lower_error_is_better_where_the_task_says_so(penguins, trainer):
    it = trainer("penguins", epochs=3)
    it.task.higher_is_better = False
    scores = iter([5.0, 3.0, 4.0])
    it.judge.scores = lambda *_: {f"val/{it.task.metric}": next(scores), "val/loss": 0.5}
    it.fit()
    assert it.best.epoch == 2


def test_of_epochs_alike_by_the_metric_the_one_with_the_lower_loss_is_kept(penguins, trainer):
    it = trainer("penguins", epochs=6)
    told = iter([(0.9, 0.5), (1.0, 0.4), (1.0, 0.2), (1.0, 0.3), (0.8, 0.1), (1.0, math.nan)])
    names = ("val/accuracy", "val/loss")
    it.judge.scores = lambda *_: dict(zip(names, next(told), strict=True))
    it.fit()
    assert it.best.epoch == 3
    assert it.progress.waited == 4, "it is no better by the metric that is waited for"


def test_it_is_judged_as_often_as_asked_and_at_its_end(penguins, trainer):
    it = trainer("penguins", epochs=5, batch_size=64, judge_every=2)
    assert it.fit()
    epochs = it.emit.of("epoch")
    judged = [each["epoch"] for each in epochs if "val/accuracy" in each["metrics"]]
    assert judged == [2, 4, 5]
    assert not any(each["best"] for each in epochs if each["epoch"] not in judged)
    assert all("train/loss" in each["metrics"] for each in epochs)
    assert it.best.epoch in judged

    it = trainer("penguins", "patient", epochs=20, patience=4, batch_size=64, judge_every=2)
    it.judge.scores = lambda *_: {"val/accuracy": 0.5, "val/loss": 0.5}
    assert it.fit()
    # The first epoch that was judged is the best; four later ones were no better.
    assert (it.best.epoch, it.progress.epoch, it.progress.waited) == (2, 6, 4)

    it = trainer("penguins", "short", epochs=5, max_steps=7, batch_size=64, judge_every=5)
    assert it.fit()
    assert it.best.step == 7


def test_max_steps_ends_in_the_middle_of_an_epoch(penguins, trainer):
    it = trainer("penguins", epochs=5, max_steps=7, batch_size=64)
    assert it.fit()
    assert it.progress.step == 7
    assert it.steps_per_epoch == 5
    assert len(it.emit.of("epoch")) == 2


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        ({"max_steps": 7}, "max_steps", "ended at step 7 of 15, as max_steps says"),
        ({"max_time": 1e-9}, "max_time", "ended at step 1 of 15: max_time, 1e-09 s, is over"),
        ({"patience": 1}, "patience", "stopped early: no better accuracy for 1 epoch"),
        ({"max_steps": 15, "patience": 3}, None, None),
    ],
)
def test_what_ended_it_before_its_last_epoch_is_told(penguins, trainer, settings, name, said):
    it = trainer("penguins", epochs=3, batch_size=64, **settings)
    it.judge.scores = lambda *_: {"val/accuracy": 0.5, "val/loss": 0.5}
    assert it.fit()
    told = [event["text"].split(" (")[0] for event in it.emit.of("log")]
    assert told == ([said] if said else [])
    assert ended_by(it.config, it.progress, it.whole) == name
    # Killed between its last epoch and its model, it still knows.
    again = trainer("penguins", epochs=3, batch_size=64, **settings)
    again.restore(again.checkpoints.latest()[0])
    assert ended_by(again.config, again.progress, again.whole) == name


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_good_checkpoint(
    penguins, trainer
):
    it = trainer("penguins", epochs=5, batch_size=64, checkpoint_every=3)
    loss = it.task.loss
    it.task.loss = lambda outputs, batch, weight=None: (
        loss(outputs, batch) * (math.nan if it.progress.step == 7 else 1)
    )
    with pytest.raises(LeptonError, match="at step 8 the loss is nan") as caught:
        it.fit()
    told = [event["text"] for event in it.emit.of("log")]
    assert [text.partition("learning rate times ")[2].split()[0] for text in told] == [
        "0.5",
        "0.25",
        "0.125",
    ]
    assert all("back to step 6" in text for text in told)
    assert "smaller lr than 0.002" in caught.value.hint
    kept, _ = it.checkpoints.latest()
    assert kept.step == 6
    assert f"step-{kept.step:08d}" in caught.value.where
    assert all(each.isfinite().all() for each in kept.tensors.values())


def test_weights_that_are_no_numbers_are_not_saved(penguins, trainer):
    it = trainer("penguins", epochs=1, batch_size=64)
    step = it.stepper.optimizer.step

    def last_step_overflows():
        step()
        if it.progress.step == it.steps - 1:
            it.parameters[0].data[0] = math.inf

    it.stepper.optimizer.step = last_step_overflows
    with pytest.raises(LeptonError, match="has diverged"):
        it.fit()
    assert not it.checkpoints.paths()


def test_records_are_few_however_quick_the_steps(penguins, clocked):
    it = clocked("penguins", seconds=0.01, epochs=20, batch_size=16, max_steps=300)
    it.fit()
    steps = it.emit.of("step")
    assert len(steps) <= 4 * 3 + 2
    assert steps[0]["step"] == 1
    assert steps[-1]["step"] == 300
    middle = steps[5]
    assert middle["examples_per_second"] == pytest.approx(1600, rel=0.1)
    assert middle.keys() == {
        *("event", "step", "epoch", "loss", "lr", "grad_norm", "examples_per_second")
    }
    told_of_device = [each for each in steps if "device_use" in each]
    assert 2 <= len(told_of_device) <= 3
    assert {"device_use", "device_memory"} <= told_of_device[0].keys()


def test_checkpoints_come_by_the_clock(penguins, clocked):
    it = clocked("penguins", seconds=1, epochs=1, batch_size=8, checkpoint_seconds=10)
    it.fit()
    saved = [event["step"] for event in it.emit.of("checkpoint")]
    assert saved == [10, 20, 30, it.steps]


def test_bf16_trains_and_keeps_its_weights_in_full_precision(digits, trainer):
    asked = {"epochs": 2, "batch_size": 32, "model": "cnn", "options": {"width": 8}}
    it = trainer("digits", precision="bf16", **asked)
    answered = set()
    it.module.register_forward_hook(
        lambda *given: answered.add((it.module.training, given[2].dtype))
    )
    it.fit()
    assert (True, torch.bfloat16) in answered
    first, second = (event["train_loss"] for event in it.emit.of("epoch"))
    assert second < first
    assert all(each.dtype == torch.float32 for each in it.parameters)


def test_by_windows_stopped_and_resumed_it_ends_with_the_same_bits(penguins, trainer):
    settings = {"epochs": 4, "batch_size": 16, "options": {"dropout": 0.3}}

    def by_windows(folder, **more):
        made = trainer("penguins", folder, **settings, **more)
        made.progress.window = 50
        return made

    whole = by_windows("whole")
    assert whole.fit()
    assert not by_windows("parts", stop_at=whole.steps_per_epoch + 5).fit()
    # The one that goes on would mix all rows, had the checkpoint not said otherwise.
    last = trainer("penguins", "parts", **settings)
    last.restore(last.checkpoints.latest()[0])
    assert last.progress.window == 50
    assert last.fit()
    assert same(weights(last), weights(whole))
    assert last.best.metrics == whole.best.metrics


def test_by_windows_the_scores_are_the_usual_ones(workspace, trainer):
    few(workspace, "more", "images/mnist5k", "_rid % 4 = 0")
    settings = {"epochs": 6, "batch_size": 32, "model": "cnn", "options": {"width": 8}}
    usual = trainer("more", "usual", **settings)
    usual.fit()
    small = trainer("more", "small", **settings)
    # The rows lie sorted by class.
    kinds = small.train.tensors["target"].argsort(stable=True)
    small.train = type(small.train)(small.train.batch(kinds), small.train.rids)
    small.progress.window = small.train.rows // 4
    small.fit()
    assert usual.best.value > 0.75
    assert small.best.value > usual.best.value - 0.1


def test_by_windows_the_augmented_rows_are_the_same(digits, trainer):
    """Another order of the rows, but each row as it is in that epoch."""
    seen = {}
    for window in (0, 40):
        it = trainer("digits", f"by-{window}", epochs=2, batch_size=16, augment="crop,flip,erase")
        it.progress.window = window
        step = it.train_step
        found = seen.setdefault(window, {})

        def remember(batch, rows, it=it, step=step, found=found):
            for rid, image in zip(batch["_rid"].tolist(), batch["image"], strict=True):
                found[it.progress.epoch, rid] = image.clone()
            return step(batch, rows)

        it.train_step = remember
        it.fit()
    assert same(seen[0], seen[40])
    assert len(seen[0]) == 2 * it.train.rows
    (one, other) = (seen[0][epoch, it.train.rids[5]] for epoch in (0, 1))
    assert not torch.equal(one, other)


def test_only_what_is_trained_on_is_augmented(digits, trainer):
    judged = []
    it = trainer("digits", epochs=1, batch_size=64, augment="rotate=180,colour")
    inputs = it.task.inputs
    it.task.inputs = lambda batch: judged.append(batch["image"].dtype) or inputs(batch)
    it.fit()
    assert judged.count(torch.float32) == it.steps_per_epoch
    assert judged[it.steps_per_epoch :] == [torch.uint8] * (len(judged) - it.steps_per_epoch)
    assert it.judge.validation.tensors["image"].dtype == torch.uint8


class Rank(Group):
    """One of several processes that take turns, the leader last: what the others brought waits."""

    def __init__(self, rank, size, waiting):
        self.rank, self.size, self.waiting = rank, size, waiting

    def brought(self, value):
        if not self.leads:
            self.waiting.append(value)
            return []
        return [value, *reversed(self.waiting)]

    def told(self, say):
        return say() if self.leads else None


def test_processes_judge_a_share_each_and_the_scores_are_those_of_one(
    penguins, trainer, monkeypatch
):
    """To the bit, for the batches are the same; of six processes some have nothing to judge."""
    it = trainer("penguins", batch_size=16)
    monkeypatch.setattr(type(it.task), "at_once", 11)
    seen = []
    own = it.task.judge

    def judge(module, batch):
        seen.append(len(batch["target"]))
        return own(module, batch)

    it.task.judge = judge
    expected = it.judge.scores(it.module)
    batches = seen.copy()
    assert sum(batches) == it.judge.rows > 3 * 11
    for size in (2, 6):
        seen.clear()
        waiting, had = [], []
        for rank in reversed(range(size)):
            before = len(seen)
            told = it.judge.scores(it.module, Rank(rank, size, waiting))
            had.append(len(seen) - before)
        assert told == expected
        assert sorted(seen) == sorted(batches)
        assert max(had) == -(-len(batches) // size)


def test_of_examples_of_different_length_each_process_judges_a_share_too(
    workspace, trainer, monkeypatch
):
    """The last share ends with the examples, and not with the batch."""
    ingest(workspace, str(SAMPLES / "segmentation" / "nuclei"), "nuclei")
    it = trainer("nuclei", batch_size=8, options={"image_size": 64})
    monkeypatch.setattr(type(it.task), "at_once", 4)
    assert it.judge.rows % 4
    waiting = []
    for rank in (1, 0):
        told = it.judge.scores(it.module, Rank(rank, 2, waiting))
    assert told == it.judge.scores(it.module)
