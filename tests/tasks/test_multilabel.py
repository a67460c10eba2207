"""Several labels a row: as lists or texts, over texts, tables and pictures."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.inference.inputs import read_inputs
from core.ingest import ingest
from core.models.registry import Models, task_of
from core.tasks import facts, guess, task
from core.tasks.many_labels import ManyLabels, average_precision
from core.training.choice import choose
from core.training.config import TrainConfig
from core.training.start import start_training
from core.workspace import Workspace

from .conftest import SAMPLES, encoded

DEADLINE = 300
SIZES = [float(n) for n in range(60)]
TAGS = [[["low"], ["low", "even"], [], ["even", "high"]][n % 4] for n in range(60)]


def learned(view, **named):
    fit = guess(facts(view), **named)
    return fit, task(fit.task).for_fit(fit).learn(fit, view, "train")


def picture(red, blue):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 255 * red, 255 * blue
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# How they are known and read


@pytest.mark.parametrize(
    ("written", "separator"),
    [
        (TAGS, "[]"),
        ([json.dumps(each) for each in TAGS], "[]"),
        ([";".join(each) or None for each in TAGS], ";"),
        ([" | ".join(each) or None for each in TAGS], "|"),
        (["low", "high"] * 30, ""),
        ([f"a text; of its own {n}" for n in range(60)], ""),
    ],
)
def test_labels_are_several_where_they_come_again(opened, written, separator):
    view = opened({"size": SIZES, "tags": written})
    fit = guess(facts(view), target="tags", task="tabular-classification")
    assert fit.separator == separator
    kind = task(fit.task).for_fit(fit)
    assert issubclass(kind, ManyLabels) == bool(separator)
    assert kind.name == "tabular-classification"


def test_each_label_is_a_column_and_what_training_lacks_is_counted(opened):
    tags = [*TAGS[:58], None, ["new", "low", "low"]]
    view = opened(
        {"size": SIZES, "tags": tags, "split": ["train"] * 58 + ["test"] * 2},
    )
    fit, many = learned(view)
    assert (fit.task, fit.target) == ("tabular-classification", "tags")
    assert many.labels == ("even", "high", "low")
    assert many.counts == (29, 14, 30)
    assert many.rows == 58
    found = encoded(many, view)
    assert found["target"][:4].tolist() == [
        [0, 0, 1, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 0],
        [1, 1, 0, 0],
    ]
    last = encoded(many, view, "test")
    assert last["target"].tolist() == [[0, 0, 1, 1]]
    assert last["row"].tolist() == [1]
    back = task(fit.task).from_json(json.loads(json.dumps(many.to_json())))
    assert type(back) is type(many)
    assert back.to_json() == many.to_json()
    batch = {"target": torch.from_numpy(found["target"])}
    shares = back.naive(batch)[0].sigmoid()
    assert shares.tolist() == pytest.approx([29 / 58, 14 / 58, 30 / 58])
    assert back.truth(["a", "b"]) == back.truth('["a", "b"]') == {"labels": ["a", "b"]}


def test_what_cannot_be_told_apart_is_said(opened):
    same = opened({"size": SIZES, "tags": [["a", "b"]] * 60})
    with pytest.raises(LeptonError, match='every row has the same labels in "tags": a, b'):
        learned(same, target="tags")
    none = opened({"size": SIZES, "tags": pa.array([[]] * 60, pa.list_(pa.string()))})
    with pytest.raises(LeptonError, match="has no value"):
        learned(none, target="tags")


def test_balance_is_for_one_label(tmp_path):
    workspace = Workspace.open(tmp_path)
    table = pa.table({"size": SIZES, "tags": TAGS})
    Lake(workspace).commit("sizes", table, op="test")
    asked = TrainConfig.from_mapping({"dataset": "sizes", "balance": "weights"})
    with pytest.raises(UsageError, match="balance is for tasks with classes"):
        choose(workspace, asked)


# How they are judged


def test_scores_are_those_of_each_label(opened):
    _, many = learned(opened({"size": SIZES, "tags": TAGS}))
    target = np.array(
        [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 1]], np.uint8
    )
    found = np.array([[2, -1, -1], [-1, 1, -2], [-2, 1, 3], [1, -3, -3], [-3, -3, -3]], np.float32)
    scores = many.scores(found, target)
    # even 1.0 and low 1.0 rank their rows first, high has its only row beside one of the same.
    assert scores["mean_average_precision"] == pytest.approx((1 + 0.5 + 1) / 3)
    # Right: 4 of 5 that are said and 7 there are, two of which training never saw.
    assert scores["f1_micro"] == pytest.approx(8 / 12)
    assert scores["f1_macro"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert scores["subset_accuracy"] == 2 / 5
    report = many.report(found, target)
    assert [each["support"] for each in report["per_class"]] == [2, 1, 2]
    assert report["per_class"][1]["precision"] == 0.5
    assert report["per_class_of"] == "labels with a score above 50%"
    mistakes = many.verdicts(found, target).mistakes()
    assert [each["row"] for each in mistakes] == [0, 2, 4]
    assert mistakes[0]["answer"] == "even"
    assert mistakes[1]["truth"] == "low, 1 not in training"
    (answer,) = many.answers(np.array([[-1.0, 0.5, 2.0]]))
    assert answer["labels"] == ["low", "high"]
    assert list(answer["scores"]) == ["low", "high", "even"]


def test_average_precision_takes_equal_scores_as_one_place():
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), truth) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert average_precision(np.zeros(4), truth) == 0.5


def test_the_loss_is_over_labels_and_takes_weights(opened):
    _, many = learned(opened({"size": SIZES, "tags": TAGS}))
    batch = {"target": torch.tensor([[1, 0, 1, 0], [0, 1, 0, 2]], dtype=torch.uint8)}
    outputs = torch.zeros(2, 3)
    assert float(many.loss(outputs, batch)) == pytest.approx(np.log(2))
    weight = torch.tensor([1.0, 0.0])
    assert float(many.loss(outputs, batch, weight)) == pytest.approx(np.log(2) / 2)
    sure = torch.tensor([[9.0, -9, 9], [-9, 9, -9]])
    assert float(many.loss(sure, batch)) < 0.001


# Whole


def train(workspace, **asked):
    run = start_training(workspace, {"threads": 1, **asked})
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    return evaluate_model(workspace, state.model)


def test_labels_of_penguins_are_learnt(tmp_path):
    workspace = Workspace.open(tmp_path)
    lake = Lake(workspace)
    birds = ingest(workspace, str(SAMPLES / "tabular" / "penguins.csv"), "birds").version
    with lake.open(birds) as view:
        table = view.arrow(
            "SELECT bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g,"
            " concat_ws(';', species, sex, CASE WHEN island = 'Biscoe' THEN island END) AS labels"
            " FROM rows WHERE sex IS NOT NULL"
        )
    lake.commit("tagged", table, op="test")
    report = train(workspace, dataset="tagged", epochs=30, lr=5e-3, batch_size=16)
    assert report.task == "tabular-classification"
    for name in ("mean_average_precision", "f1_micro", "subset_accuracy"):
        assert report.metrics[name] > report.baseline[name] + 0.3
    assert {each["label"] for each in report.details["per_class"]} >= {"Adelie", "female"}
    model = task_of(Models(workspace).get("tagged_mlp"))
    row = "bill_length_mm=39 bill_depth_mm=17.5 flipper_length_mm=185 body_mass_g=3300"
    (answer,) = Engine(workspace, "cpu").predict(
        "tagged_mlp", read_inputs(workspace, model, row.split())
    )
    assert {"Adelie", "female"} <= {*answer.output["labels"]}
    assert answer.scores["Adelie"] > 0.5
    (known,) = read_inputs(workspace, model, ["tagged#0"])
    assert known.truth == {"labels": ["Adelie", "male"]}


def test_what_reviews_are_about_is_learnt(tmp_path):
    workspace = Workspace.open(tmp_path)
    lake = Lake(workspace)
    foods = ingest(workspace, str(SAMPLES / "text" / "fine_foods_1500.csv"), "foods").version
    with lake.open(foods) as view:
        about = ", ".join(
            f"CASE WHEN lower(review) LIKE '%{word}%' THEN '{word}' END"
            for word in ("good", "great", "love", "taste", "coffee")
        )
        table = view.arrow(f"SELECT review, list_sort(list_distinct([{about}])) AS tags FROM rows")
    lake.commit("about", table, op="test")
    report = train(
        workspace, dataset="about", epochs=5, lr=1e-2, length=60, vocabulary=500, hidden=32
    )
    assert report.task == "text-classification"
    name = "mean_average_precision"
    assert report.metrics[name] > report.baseline[name] + 0.25
    assert report.metrics["f1_micro"] > report.baseline["f1_micro"] + 0.3


def test_pictures_may_have_several_labels(tmp_path):
    workspace = Workspace.open(tmp_path)
    chance = np.random.default_rng(0)
    seen = chance.integers(0, 2, (120, 2)).tolist()
    table = pa.table(
        {
            "image": [picture(*each) for each in seen],
            "labels": [
                [name for name, has in zip(("red", "blue"), each, strict=True) if has]
                for each in seen
            ],
        }
    )
    Lake(workspace).commit("lights", table, op="test", media={"image": "image"})
    report = train(workspace, dataset="lights", epochs=2, model="cnn", batch_size=16)
    assert report.task == "image-classification"
    assert report.metrics["subset_accuracy"] > 0.9
