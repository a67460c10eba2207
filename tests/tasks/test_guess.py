"""Which task a data set is for."""

import subprocess
import sys

import pytest

from core.errors import UsageError
from core.tasks import TASKS, TableFacts, facts, guess, task


@pytest.mark.parametrize(
    ("source", "named", "expected", "target", "inputs"),
    [
        ("images/mnist5k", None, "image-classification", "label", ("image",)),
        ("images/clipart", None, "image-classification", "label", ("image",)),
        ("text/fine_foods_1500.csv", None, "text-classification", "score", ("review",)),
        ("tabular/credit_data.csv", None, "tabular-classification", "Status", None),
        ("tabular/penguins.csv", None, "tabular-classification", "species", None),
        (
            "tabular/titanic_1313.csv",
            "survived",
            "tabular-classification",
            "survived",
            ("class", "age", "sex"),
        ),
        (
            "series/chicago_ridership.csv",
            "ridership",
            "tabular-regression",
            "ridership",
            ("date", "temp", "percip", "wind"),
        ),
        (
            "series/chicago_ridership.csv",
            None,
            "time-series-forecasting",
            "ridership",
            ("date", "temp", "percip", "wind"),
        ),
        ("tabular/penguins.csv", "body_mass_g", "tabular-regression", "body_mass_g", None),
    ],
)
def test_the_samples_are_recognised(samples, source, named, expected, target, inputs):
    lake, version = samples
    with lake.open(version(source)) as view:
        found = guess(facts(view), named)
    assert (found.task, found.target) == (expected, target)
    if inputs:
        assert found.inputs == inputs
    assert target not in found.inputs


def test_columns_left_out_are_said(samples):
    lake, version = samples
    with lake.open(version("tabular/titanic_1313.csv")) as view:
        known = facts(view)
    guessed = guess(known, "survived")
    assert guessed.notes == ("name is left out: nearly every row has a text of its own",)
    # The same once the importer has written down which inputs it chose.
    noted = TableFacts(known.rows, known.columns, guessed.task, "survived", guessed.inputs)
    assert guess(noted) == guessed


def test_facts_count_what_is_there(opened):
    columns = {
        "n": [1, 2, 2, None],
        "text": ["one two three", "four", None, "four"],
        "none": [None, None, None, "x"],
    }
    found = facts(opened(columns))
    assert found.rows == 4
    assert [column.name for column in found.columns] == ["n", "text", "none"]
    number, text, none = found.columns
    assert (number.nulls, number.distinct, number.samples) == (1, 2, (1, 2, 2))
    assert (text.nulls, text.distinct, text.words) == (1, 2, pytest.approx(5 / 3))
    assert text.length == pytest.approx((13 + 4 + 4) / 3)
    assert (none.nulls, none.distinct) == (3, 1)


def test_a_person_can_name_task_target_and_inputs(samples):
    lake, version = samples
    with lake.open(version("tabular/penguins.csv")) as view:
        known = facts(view)
    named = guess(known, "species", "tabular-classification", ["bill_length_mm", "island"])
    assert named.inputs == ("bill_length_mm", "island")
    # Forced: every distinct mass a class of its own.
    assert guess(known, "body_mass_g", "tabular-classification").target == "body_mass_g"
    assert "species" not in guess(known, inputs=["species", "sex"]).target


def test_what_a_person_names_wins_over_the_import(samples):
    lake, version = samples
    with lake.open(version("tabular/penguins.csv")) as view:
        known = facts(view)
    imported = TableFacts(
        known.rows, known.columns, "tabular-classification", "species", ("island", "sex")
    )
    assert guess(imported).inputs == ("island", "sex")
    other = guess(imported, "body_mass_g")
    assert other.task == "tabular-regression"
    assert "species" in other.inputs


def test_an_input_that_was_dropped_since_the_import_is_no_error(samples):
    lake, version = samples
    with lake.open(version("tabular/penguins.csv")) as view:
        known = facts(view)
    stale = TableFacts(known.rows, known.columns, None, "species", ("island", "gone"))
    assert "gone" not in guess(stale).inputs
    with pytest.raises(UsageError, match="gone"):
        guess(known, "species", inputs=["island", "gone"])


def test_what_does_not_fit_is_refused_with_the_way_out(samples):
    lake, version = samples
    with lake.open(version("tabular/penguins.csv")) as view:
        known = facts(view)
    with pytest.raises(UsageError, match='no column "specis"') as caught:
        guess(known, "specis")
    assert caught.value.hint == 'Did you mean "species"?'
    with pytest.raises(UsageError, match="image-classification needs a column of images") as caught:
        guess(known, task="image-classification")
    assert caught.value.hint.startswith("These columns suit tabular-classification")
    with pytest.raises(UsageError, match="no task") as caught:
        guess(known, task="tabular-clasification")
    assert "tabular-classification" in caught.value.hint
    with pytest.raises(UsageError, match="both input and target"):
        guess(known, "sex", inputs=["sex"])
    with pytest.raises(UsageError, match="tabular-regression needs"):
        guess(known, "species", "tabular-regression")
    with pytest.raises(UsageError, match="no task suits") as caught:
        guess(TableFacts(3, known.columns[:1]))
    assert "--target COLUMN" in caught.value.hint


def test_every_task_in_the_registry_is_there():
    for name in TASKS:
        kind = task(name)
        assert kind.name == name
        assert kind.summary
        assert kind.needs


def test_the_engine_room_opens_without_torch():
    modules = "core.tasks, core.models.registry, core.models.architectures"
    every = "; ".join(f"core.tasks.task({name!r})" for name in TASKS)
    code = f"import {modules}, sys; {every}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
