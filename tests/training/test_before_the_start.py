"""What is found out before the first step: rates, sizes, costs; and settings that were tried."""

import copy
import math

import pyarrow as pa
import pytest
import torch

from core.data.lake.lake import Lake
from core.data.splitting.split import ensure_split, split
from core.errors import LeptonError, UsageError
from core.ingest import ingest
from core.runs.compare import lower_is_better
from core.runs.store import Runs
from core.tasks import TASKS
from core.training import rehearsal, searching
from core.training.choice import choose
from core.training.config import TrainConfig
from core.training.recipes import recipe, recipes, with_recipe
from core.training.rehearsal import rehearse
from core.training.start import start_training
from tests.tasks.conftest import marked
from tests.tasks.speaker import spoken
from tests.training.conftest import SAMPLES

DEADLINE = 900
CPU = torch.device("cpu")


def test_the_rate_that_is_found_learns_and_ten_times_it_does_worse(digits, trainer):
    settings = {"model": "cnn", "epochs": 3, "batch_size": 16, "options": {"width": 8}}
    it = trainer("digits", "search", **settings)
    before = copy.deepcopy(it.module.state_dict())
    chance = torch.get_rng_state()
    found = searching.learning_rate(it.module, it.task, it.train, it.config, CPU)
    assert 1e-4 < found < 0.3
    # Nothing of the training was touched.
    assert all(torch.equal(before[name], each) for name, each in it.module.state_dict().items())
    assert torch.equal(chance, torch.get_rng_state())
    losses = []
    for folder, rate in (("found", found), ("wild", 100 * found)):
        trained = trainer("digits", folder, lr=rate, clip=0, **settings)
        try:
            trained.fit()
            losses.append(trained.progress.metrics["train/loss"])
        except LeptonError:
            losses.append(math.inf)
    assert losses[0] < losses[1]
    assert losses[0] < math.log(10)


def test_a_batch_size_is_a_power_of_two_that_leaves_steps_in_an_epoch(penguins, trainer):
    it = trainer("penguins")
    size = searching.batch_size(it.module, it.task, it.train, it.config, CPU)
    assert size in searching.SIZES
    assert size * searching.STEPS_AN_EPOCH <= it.train.rows


def test_a_size_that_does_not_fit_is_not_taken(penguins, trainer):
    it = trainer("penguins")
    loss = it.task.loss

    def no_room(outputs, batch, weight=None):
        if len(outputs) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(outputs, batch, weight)

    it.task.loss = no_room
    assert searching.batch_size(it.module, it.task, it.train, it.config, CPU) == 8


def test_what_is_auto_is_found_by_the_run_and_kept(workspace, penguins):
    run = start_training(
        workspace,
        {"dataset": "penguins", "epochs": 2, "lr": "auto", "batch_size": "auto", "threads": 1},
    )
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    plan = run.history().plan
    assert isinstance(plan["lr"], float)
    assert isinstance(plan["batch_size"], int)
    told = [event["text"] for event in run.events() if event["event"] == "log"]
    assert any(text.startswith(f"lr {plan['lr']:g}:") for text in told)
    assert any(text.startswith(f"batch_size {plan['batch_size']}:") for text in told)


def test_a_dry_run_tells_the_cost_and_leaves_nothing(workspace, penguins):
    before = sorted(path for path in workspace.home.rglob("*") if "catalogue" not in path.name)
    told = rehearse(workspace, TrainConfig("penguins", batch_size=32, epochs=7, ema=0.9))
    after = sorted(path for path in workspace.home.rglob("*") if "catalogue" not in path.name)
    assert before == after
    lake = Lake(workspace)
    with lake.open(ensure_split(lake, penguins, target="species")) as view:
        assert told.examples == view.splits()["train"]
    assert told.steps == 7 * math.ceil(told.examples / 32)
    assert told.settings["lr"] == 2e-3
    # Weights, the best ones, the average, and AdamW's two moments, in four bytes a number.
    assert told.checkpoint == pytest.approx(5 * 4 * told.parameters, rel=0.02)
    assert told.seconds > told.epoch_seconds * 7 + told.saving_seconds
    assert told.fits
    assert Runs(workspace).all() == []


def test_rows_that_train_for_want_of_a_time_are_told_by_the_run(workspace, penguins):
    split(Lake(workspace), penguins, time="body_mass_g")
    told = '2 rows have no time in "body_mass_g": they are training rows'
    config = TrainConfig("penguins", epochs=1)
    assert told in rehearse(workspace, config).notes
    run = start_training(workspace, config.to_json())
    run.wait(timeout=DEADLINE)
    assert told in [event["text"] for event in run.events() if event["event"] == "log"]


def test_a_dry_run_counts_judging_and_saving(workspace, penguins, monkeypatch):
    asked = TrainConfig("penguins", batch_size=32, epochs=7)
    rates = {"step_seconds": 1.0, "judging_seconds": 2.0, "saving_seconds": 10.0}
    for name, value in rates.items():
        monkeypatch.setattr(rehearsal.pace, name, lambda *_, value=value: value)
    told = rehearse(workspace, asked)
    lake = Lake(workspace)
    with lake.open(ensure_split(lake, penguins, target="species")) as view:
        splits = view.splits()
    steps = math.ceil(splits["train"] / 32)
    assert told.validation_seconds == 2 * splits["validation"]
    assert told.epoch_seconds == steps + 2 * splits["validation"]
    # Saving is at most a twentieth of the time, but for the last; one more each 60 seconds.
    epochs = 7 * told.epoch_seconds
    saves = 1 + min(6, int(epochs * 0.05 / 10)) + int(epochs / 60)
    assert told.seconds == pytest.approx(epochs + 10 * saves, abs=2)


def test_two_processes_take_half_of_each_step(workspace, penguins, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        rehearsal.pace, "step_seconds", lambda _, __, size: sizes.append(size) or 1.0
    )
    told = rehearse(workspace, TrainConfig("penguins", batch_size=33, device="cpu", devices=2))
    assert sizes == [17]
    assert any("take 17 of the 33 examples" in note for note in told.notes)


def test_a_dry_run_counts_examples_where_they_are_no_rows(workspace):
    novel = (SAMPLES / "text" / "austen_emma_400k.txt").read_text()
    texts = [line for line in novel.splitlines() if line][:300]
    rows = pa.table({"text": texts, "split": ["train"] * 270 + ["validation"] * 30})
    lake = Lake(workspace)
    lake.commit("texts", rows, op="import")
    options = {"length": 16, "vocabulary": 300}
    asked = TrainConfig("texts", task="text-generation", batch_size=4, epochs=3, options=options)
    told = rehearse(workspace, asked)
    choice = choose(workspace, asked)
    with lake.open(choice.version) as view:
        task = choice.kind.learn(choice.fit, view, "train", options)
        blocks = sum(len(each["target"]) for each in task.examples(task.read(view, "train", 64)))
    assert told.examples == blocks != 270
    assert told.steps == 3 * math.ceil(blocks / 4)


def test_a_step_too_large_for_the_machine_is_told_and_not_taken(workspace, penguins, monkeypatch):
    class Small:
        available, total = -(10**12), 10**12

    taken = []
    monkeypatch.setattr(rehearsal.psutil, "virtual_memory", lambda: Small)
    monkeypatch.setattr(rehearsal.pace, "step_seconds", lambda *_: taken.append(1))
    with pytest.raises(LeptonError, match="a step of 64 examples does not fit"):
        rehearse(workspace, TrainConfig("penguins", batch_size=64))
    assert not taken


def test_a_dry_run_finds_what_a_run_would_find(workspace, penguins):
    lonely = pa.table({"text": ["it was a truth universally acknowledged that " * 99]})
    Lake(workspace).commit("lonely", lonely, op="import")
    with pytest.raises(LeptonError, match="1 row is too few to make 3 parts of"):
        rehearse(workspace, TrainConfig("lonely", task="text-generation"))
    with pytest.raises(UsageError) as caught:
        rehearse(workspace, TrainConfig("penguins", augment=("flip",), name="a/b"))
    assert "2 mistakes" in caught.value.what
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        rehearse(workspace, TrainConfig("penguins", precision="fp16"))


def test_a_disk_too_small_is_told_before(workspace, penguins, monkeypatch):
    class Full:
        free = 1000

    monkeypatch.setattr(rehearsal.shutil, "disk_usage", lambda _: Full)
    assert not rehearse(workspace, TrainConfig("penguins")).fits


def test_what_a_person_names_wins_over_the_recipe():
    known = recipe("digits")
    given = with_recipe(known, {"dataset": "d", "epochs": 3, "options": {"width": 8}})
    assert (given["epochs"], given["lr"]) == (3, known.settings["lr"])
    assert given["options"] == {"width": 8, "stem": "strided"}
    # Another model has other options.
    assert with_recipe(known, {"dataset": "d", "model": "resnet18"})["options"] == {}
    with pytest.raises(UsageError, match="no recipe") as caught:
        recipe("digit")
    assert "digits" in caught.value.hint


LEARNT = {
    "digits": ("images/mnist5k", {}, "accuracy", 0.9),
    "cifar10": ("images/mnist5k", {}, "accuracy", 0.9),
    "reviews": ("text/fine_foods_1500.csv", {"target": "score"}, "f1_macro", 0.25),
    "table": ("tabular/titanic_1313.csv", {"target": "survived"}, "accuracy", 0.72),
    "texts": ("text/austen_emma_400k.txt", {}, "bits_per_byte", 2.4),
    "numbers": ("tabular/penguins.csv", {"target": "body_mass_g"}, "r2", 0.7),
    "pictures": ("images/clipart", {}, "accuracy", 0.3),
    "objects": ("segmentation/nuclei", {}, "map_50", 0.4),
    "series": (
        "series/chicago_ridership.csv",
        {"target": "ridership", "task": "time-series-forecasting"},
        "mean_absolute_scaled_error",
        1.05,
    ),
    "speech": ("spoken", {}, "word_error_rate", 0.2),
    "sounds": ("words", {}, "accuracy", 0.8),
    "marks": ("marked", {}, "r2", 0.15),
}
SMALLER = {"cifar10": {"batch_size": 100, "epochs": 3, "options": {"width": 8}}}
"""What is asked for beside a recipe for more rows, and a device, than there are here."""
WORDS = ("red", "blue", "green", "seven", "nine", "open", "close", "door")


def test_every_task_has_a_recipe():
    assert {each.task for each in recipes()} == {*TASKS}


@pytest.mark.slow
@pytest.mark.parametrize("each", recipes(), ids=lambda each: each.name)
def test_every_recipe_beats_its_baseline_on_rows_it_never_saw(workspace, each):
    from core.evaluation.evaluate import evaluate_model

    source, columns, metric, least = LEARNT[each.name]
    if source in ("spoken", "words"):
        heard = spoken(WORDS, 200, most=3 if source == "spoken" else 1)
        if source == "words":
            heard = heard.rename_columns({"transcript": "word"})
        Lake(workspace).commit("sample", heard, op="test", media={"audio": "audio"})
    elif source == "marked":
        marked(workspace, "sample")
    else:
        ingest(workspace, str(SAMPLES / source), "sample", **columns)
    given = {"dataset": "sample", "threads": 1, **SMALLER.get(each.name, {})}
    run = start_training(workspace, with_recipe(each, given))
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    report = evaluate_model(workspace, state.model)
    found, naive = report.metrics[metric], report.baseline[metric]
    lower = lower_is_better(metric)
    assert found < min(least, naive) if lower else found > max(least, naive)
