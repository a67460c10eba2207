"""A number that belongs to a text: learnt, judged, answered, and on top of a pretrained model."""

import json
import math

import numpy as np
import pytest

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.evaluation.evaluate import evaluate_model
from core.inference.engine import Engine
from core.models.registry import Models, task_of
from core.tasks import facts, guess, task
from core.training.start import start_training
from core.workspace import Workspace
from tests.models import bases
from tests.tasks.conftest import encoded, marked

DEADLINE = 240.0
PROSE = "a long sentence about number {} and what else there is"


def described(count, **more):
    """Texts with prices, and other columns."""
    texts = [PROSE.format(at) for at in range(count)]
    return {"text": texts, **more, "price": [at / 7 for at in range(count)]}


def learned(view, **named):
    fit = guess(facts(view), **named)
    return fit, task(fit.task).learn(fit, view, "train")


def test_it_is_guessed_where_nothing_else_suits_better(opened):
    count = 60
    fit = guess(facts(opened(described(count))))
    assert (fit.task, fit.inputs, fit.target) == ("text-regression", ("text",), "price")
    # Where rows have other columns too, they tell the number.
    colours = {"colour": [("red", "blue")[at % 2] for at in range(count)]}
    assert guess(facts(opened(described(count, **colours)))).task == "tabular-regression"
    asked = guess(facts(opened(described(count, **colours))), task="text-regression")
    assert asked.inputs == ("text",)
    # A few whole numbers are classes, unless a person says otherwise.
    stars = opened({"text": described(count)["text"], "stars": [at % 5 for at in range(count)]})
    assert guess(facts(stars)).task == "text-classification"
    assert guess(facts(stars), "stars", "text-regression").target == "stars"
    # The numbers of rows are nothing to learn.
    numbered = opened({"text": described(count)["text"], "row": [*range(count)]})
    assert guess(facts(numbered)).task == "text-generation"
    assert guess(facts(numbered), "row").task == "text-regression"


def test_numbers_are_standardised_by_the_training_split_alone(opened):
    view = opened(
        {
            "split": ["train"] * 4 + ["test"] * 2,
            "text": ["good film", "bad film", None, "lost words", "good", "poison"],
            "price": [1.0, 3.0, 2.0, math.nan, 5.0, None],
        }
    )
    fit, known = learned(view, target="price", task="text-regression")
    assert (known.mean, known.columns, known.target) == (2.0, ("text",), "price")
    assert "lost" not in known.words.vocabulary, "its row has no number"
    assert "poison" not in known.words.vocabulary
    assert known.shape["outputs"] == 1
    train = encoded(known, view)
    assert train["row"].tolist() == [0, 1, 2]
    assert train["target"] == pytest.approx(np.array([-1, 1, 0]) / known.std)
    assert len(train["tokens"]) == 3
    test = encoded(known, view, "test")
    assert test["target"] == pytest.approx([3.0 / known.std])
    back = task(fit.task).from_json(json.loads(json.dumps(known.to_json())))
    assert back.to_json() == known.to_json()
    assert back.takes == {"text": "text"}
    found = np.array([[0.0], [1.0]], np.float32)
    assert back.answers(found) == pytest.approx([2.0, 2.0 + known.std])


def test_what_cannot_be_learnt_is_said(opened):
    same = opened({"text": ["a", "b", "c"], "price": [1.0, 1.0, 1.0]})
    with pytest.raises(LeptonError, match="has one value in all rows"):
        learned(same, target="price", task="text-regression")
    with pytest.raises(LeptonError, match="text-regression needs a column of texts"):
        guess(facts(opened({"x": [1.5, 2.5], "y": [1.5, 3.5]})), "y", "text-regression")


def trained(workspace, **settings):
    asked = {"dataset": "stars", "threads": 1, "seed": 3, **settings}
    run = start_training(workspace, asked)
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    return Models(workspace).get(state.model)


def test_it_learns_reviews_and_beats_the_mean(tmp_path):
    workspace = Workspace.open(tmp_path / "home")
    marked(workspace, "stars")
    model = trained(workspace, epochs=4, options={"length": 48})
    assert (model.info["architecture"], model.info["task"]) == ("lstm", "text-regression")
    report = evaluate_model(workspace, model.ref)
    assert report.baseline["r2"] == pytest.approx(0, abs=0.05)
    assert report.metrics["r2"] > report.baseline["r2"] + 0.1
    assert report.metrics["root_mean_squared_error"] < report.baseline["root_mean_squared_error"]
    assert report.details["residuals"]["histogram"]
    said = Engine(workspace, "cpu").predict(
        model.ref, ["Great, the best I ever had, my family loves it", "Awful. I threw it away."]
    )
    glad, sad = (answer.value for answer in said)
    assert glad > sad
    assert 1 < sad < glad < 6


def test_a_pretrained_model_is_trained_on_for_it(tmp_path):
    workspace = Workspace.open(tmp_path / "home")
    marked(workspace, "stars")
    with Lake(workspace).open("stars") as view:
        texts = [text for (text,) in view.sql("SELECT review FROM rows LIMIT 200")]
    base = bases.bert(tmp_path / "base", texts, labels=4)
    model = trained(workspace, model=str(base), max_steps=3, options={"length": 24})
    known = task_of(model)
    assert known.name == "text-regression"
    assert known.words.length == 24
    (answer,) = Engine(workspace, "cpu").predict(model.ref, ["Great"])
    assert isinstance(answer.value, float)
