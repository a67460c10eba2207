"""Architectures of transformers are trained, published, answered with and judged as our own."""

import pytest

from core.data.lake.lake import Lake
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.examples import as_tensors
from core.inference.forward import naive, solved
from core.ingest import ingest
from core.models.folder import save_model
from core.models.registry import Models
from core.training.choice import model_options
from tests.tasks.drawings import drawn
from tests.tasks.speaker import spoken

from .conftest import SAMPLES

FOODS = ("text/fine_foods_1500.csv", {"target": "score"})
EMMA = ("text/austen_emma_400k.txt", {})
DIGITS = ("images/mnist5k", {})
CLASSES = {"epochs": 4, "options": {"length": 48, "width": 64, "layers": 1}}
NEXT = {
    "task": "text-generation",
    "max_steps": 220,
    "options": {"length": 48, "vocabulary": 512, "width": 64, "layers": 1},
}
RIDERS = ("series/chicago_ridership.csv", {})
FORECAST = {
    "task": "time-series-forecasting",
    "target": "ridership",
    "epochs": 2,
    "options": {"horizon": 14, "width": 32, "layers": 1},
}
WORDS = ("words", {})
HEAR = {
    "epochs": 12,
    "batch_size": 2,
    "lr": 2e-3,
    "options": {"channels": 32, "width": 64, "layers": 1, "dropout": 0.0},
}
WRITE = {
    "epochs": 8,
    "batch_size": 4,
    "options": {"mels": 40, "width": 64, "layers": 1, "dropout": 0.0},
}
DRAWINGS = ("drawings", {})
FIND = {"batch_size": 8, "lr": 1e-3, "max_steps": 300}
FINDER = {"queries": 5, "width": 64, "dropout": 0.0}
MADE = {
    "words": (lambda: spoken(("red", "blue", "seven", "open"), 150), {"audio": "audio"}),
    "drawings": (lambda: drawn(300), {"image": "image"}),
}
CASES = {
    "bert": (FOODS, CLASSES),
    "modernbert": (FOODS, CLASSES),
    "gpt2": (EMMA, NEXT),
    "llama": (EMMA, NEXT),
    "vit": (DIGITS, {"max_steps": 80, "options": {"width": 64, "layers": 1}}),
    "detr": (DRAWINGS, {**FIND, "options": {**FINDER, "layers": 1, "stem": 16}}),
    "yolos": (DRAWINGS, {**FIND, "lr": 2e-3, "options": {**FINDER, "layers": 2}}),
    "wav2vec2": (WORDS, HEAR),
    "whisper": (WORDS, WRITE),
    "patchtst": (RIDERS, FORECAST),
    "resnet": (DIGITS, {"max_steps": 40, "options": {"width": 8, "layers": 1}}),
}
SLOW = dict.fromkeys(("detr", "yolos", "wav2vec2"), pytest.mark.slow)
BETTER_BY = {
    "accuracy": 0.03,
    "bits_per_byte": 0.1,
    "mean_absolute_scaled_error": 0.05,
    "word_error_rate": 0.3,
    "map": 0.05,
}


@pytest.mark.parametrize("name", [pytest.param(e, marks=SLOW.get(e, ())) for e in CASES])
def test_it_beats_its_baseline_and_says_the_same_from_its_folder(name, workspace, trainer):
    (source, columns), settings = CASES[name]
    if source in MADE:
        table, media = MADE[source]
        Lake(workspace).commit("rows", table(), op="test", media=media)
    else:
        ingest(workspace, str(SAMPLES / source), "rows", **columns)
    trained = trainer("rows", model=name, **settings)
    assert trained.fit()
    task, rows, best = trained.task, trained.judge.validation, trained.best
    told = naive(task, rows.tensors, batch_size=task.at_once)
    baseline, metric = task.scores(told.found, rows.target), task.metric
    better = best.metrics[f"val/{metric}"] - baseline[metric]
    assert (better if task.higher_is_better else -better) > BETTER_BY[metric]

    trained.module.load_state_dict(best.weights)
    staged = workspace.tmp / "staged"
    staged.mkdir()
    info = {"name": "it", "architecture": name, "dataset": "rows", "dataset_version": 1}
    options = model_options(trained.config, task)
    save_model(staged, trained.module, task, {**info, "options": options})
    Models(workspace).publish("it", staged)
    report = evaluate_model(workspace, "it", "rows", "validation", device="cpu")
    known = {key.removeprefix("val/"): value for key, value in best.metrics.items()}
    assert report.metrics[metric] == pytest.approx(known[metric], abs=1e-4)
    with Lake(workspace).open("rows") as view:
        rid = next(view.batches([], split="validation")).to_pylist()[0]["_rid"]
        ((given, _),) = task.look_up(view, [rid]).values()
    in_memory = as_tensors(task.encode([given], target=False))
    found = solved(trained.module, task, in_memory, device=trained.device, batch_size=1)
    (answer,) = Engine(workspace, "cpu").predict("it", [given])
    assert answer.output == task.answers(found)[0]
