"""Tables: numbers, dates and categories, and what is learned about them."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

from core.errors import LeptonError, UsageError
from core.tasks import UNKNOWN, facts, guess, task
from core.tasks.features import Category, Date, Number
from tests.tasks.conftest import encoded


def learn(view, target, name=None, inputs=None, split="train"):
    fit = guess(facts(view), target, name, inputs)
    return task(fit.task).learn(fit, view, split)


@pytest.fixture
def people(opened):
    """Two classes told by a number with a gap, a category with a gap, a truth value and a date."""
    return opened(
        {
            "age": [20.0, 30.0, None, 40.0],
            "town": ["Bern", None, "Ulm", "Bern"],
            "member": [True, False, True, None],
            "since": [dt.date(1970, 1, day) for day in (1, 2, 3, 4)],
            "y": ["a", "b", "a", "b"],
        }
    )


def test_numbers_are_standardised_and_a_gap_is_the_median_with_a_mark(people):
    learned = learn(people, "y", inputs=["age"])
    assert learned.codec.features == (
        Number(
            "age", mean=30.0, std=pytest.approx(np.std([20, 30, 40])), median=30.0, missing=True
        ),
    )
    scale = np.std([20, 30, 40])
    numbers = encoded(learned, people)["numbers"]
    assert numbers == pytest.approx(
        np.array([[-10 / scale, 0], [0, 0], [0, 1], [10 / scale, 0]]), abs=1e-6
    )
    assert numbers.dtype == np.float32


def test_categories_have_places_for_the_missing_and_the_unknown(people):
    learned = learn(people, "y", inputs=["town"])
    assert learned.codec.features == (Category("town", ("Bern", "Ulm")),)
    assert learned.shape == {"kind": "table", "numbers": 0, "categories": [4], "outputs": 2}
    arrays = encoded(learned, people)
    assert arrays["categories"].tolist() == [[2], [1], [3], [2]]
    assert arrays["numbers"].shape == (4, 0)
    asked = learned.encode([{"town": "Rome"}, {"town": None}, {"town": "Ulm"}], target=False)
    assert asked["categories"].tolist() == [[0], [1], [3]]


def test_truth_values_and_dates_become_numbers(people):
    learned = learn(people, "y", inputs=["member", "since"])
    member, since = learned.codec.features
    assert (member.mean, member.missing) == (pytest.approx(2 / 3), True)
    assert isinstance(since, Date)
    assert (since.mean, since.missing) == (1.5, False)
    numbers = encoded(learned, people)["numbers"]
    assert numbers.shape == (4, member.width + since.width)
    assert np.isfinite(numbers).all()
    week = learned.encode(
        [
            {"member": "true", "since": "2024-02-05"},
            {"member": 1, "since": dt.date(2024, 2, 12)},
            {"member": False, "since": dt.datetime(2024, 2, 12, 12, tzinfo=dt.UTC)},
        ],
        target=False,
    )["numbers"]
    assert week[0, 0] == week[1, 0] != week[2, 0]
    sin_week, cos_week, cos_day = 2 + 1 + 1, 2 + 1 + 4, 2 + 1 + 5
    assert week[0, [sin_week, cos_week]] == pytest.approx(week[1, [sin_week, cos_week]], abs=1e-4)
    assert week[1:, cos_day] == pytest.approx([1, -1], abs=1e-3)


def test_the_codec_knows_nothing_of_other_splits(opened):
    poisoned = opened(
        {
            "split": ["train"] * 4 + ["validation", "test"],
            "n": [1.0, 2.0, 3.0, 4.0, 1e9, None],
            "town": ["Bern", "Ulm", "Bern", "Ulm", "POISON", None],
            "y": ["a", "b", "a", "b", "VENOM", "VENOM"],
        }
    )
    learned = learn(poisoned, "y")
    written = json.dumps(learned.to_json())
    assert "POISON" not in written
    assert "VENOM" not in written
    number, category = learned.codec.features
    assert (number.mean, number.median, number.missing) == (2.5, 2.5, False)
    assert category.values == ("Bern", "Ulm")
    assert learned.labels == ("a", "b")
    test = encoded(learned, poisoned, "test")
    assert test["target"].tolist() == [UNKNOWN]
    whole = learn(poisoned, "y", split=None)
    assert "POISON" in whole.codec.features[1].values


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("tabular/credit_data.csv", "Status"),
        ("tabular/titanic_1313.csv", "survived"),
        ("series/chicago_ridership.csv", "ridership"),
    ],
)
def test_a_codec_read_back_encodes_the_same(samples, source, target):
    lake, version = samples
    with lake.open(version(source)) as view:
        learned = learn(view, target, split=None)
        back = type(learned).from_json(json.loads(json.dumps(learned.to_json())))
        assert (back.to_json(), back.shape) == (learned.to_json(), learned.shape)
        assert (back.columns, back.notes) == (learned.columns, learned.notes)
        (batch,) = view.batches([*learned.columns, target], rows=1_000_000)
        first, again = learned.encode(batch, target=True), back.encode(batch, target=True)
        listed = back.encode(batch.to_pylist(), target=True)
    for name, array in first.items():
        assert np.array_equal(array, again[name])
        # Rows that a person gives are read as those of the lake.
        assert np.allclose(array, listed[name], atol=1e-6)
        assert np.isfinite(array).all()


def test_rows_without_a_target_are_left_out_and_counted(opened):
    view = opened({"n": [1.0, 2.0, 3.0, 9.0], "y": ["a", None, "b", "a"]})
    learned = learn(view, "y")
    assert learned.notes == ("1 row has no y and will be left out",)
    assert learned.codec.features[0].mean == pytest.approx(13 / 3)
    arrays = encoded(learned, view)
    assert arrays["row"].tolist() == [0, 2, 3]
    assert arrays["target"].tolist() == [0, 1, 0]
    assert len(arrays["numbers"]) == 3
    assert len(encoded(learned, view, target=False)["numbers"]) == 4
    only = learned.encode_target([{"y": "b"}, {"y": None}])
    assert (only["target"].tolist(), only["row"].tolist()) == ([1], [0])


def test_a_regression_leaves_out_rows_without_a_finite_target(opened):
    view = opened({"n": [1.0, 2.0, 3.0, 4.0], "price": [10.5, float("nan"), 30.5, None]})
    learned = learn(view, "price", "tabular-regression")
    assert learned.notes == ("2 rows have no price and will be left out",)
    assert (learned.mean, learned.std) == (20.5, 10.0)
    arrays = encoded(learned, view)
    assert (arrays["row"].tolist(), arrays["target"].tolist()) == ([0, 2], [-1.0, 1.0])


def test_labels_are_texts_in_order_whatever_their_type(opened):
    view = opened({"n": [1.0, 2.0, 3.0], "y": [10, 9, 10]})
    learned = learn(view, "y")
    assert learned.labels == ("9", "10")
    asked = [{"n": 1, "y": "10"}, {"n": 1, "y": 9.0}, {"n": 1, "y": 9}]
    assert learned.encode(asked, target=True)["target"].tolist() == [1, 0, 0]


def test_a_label_with_one_class_is_refused(opened):
    view = opened({"n": [1.0, 2.0, 3.0], "y": ["a", "a", None]})
    with pytest.raises(LeptonError, match='"y" has one class, "a"') as caught:
        learn(view, "y")
    assert caught.value.exit_code == 1
    assert "--target" in caught.value.hint
    with pytest.raises(LeptonError, match="has no value"):
        learn(opened({"n": [1.0, 2.0], "y": pa.array([None, None], pa.string())}), "y")
    with pytest.raises(LeptonError, match="one value in all rows"):
        constant = opened({"n": [1.0, 2.0], "y": [5.0, 5.0]})
        learn(constant, "y", "tabular-regression")


def test_a_data_set_that_is_not_split_says_so(samples):
    lake, version = samples
    with (
        lake.open(version("tabular/penguins.csv")) as view,
        pytest.raises(UsageError, match="has not been split") as caught,
    ):
        learn(view, "species")
    assert "lepton data split" in caught.value.hint


def test_text_in_a_number_column_names_column_row_and_value(people):
    learned = learn(people, "y", inputs=["age", "town"])
    with pytest.raises(LeptonError) as caught:
        learned.encode(
            [{"age": "31", "town": "Bern"}, {"age": "old", "town": "Bern"}], target=False
        )
    assert str(caught.value) == "'old' is no number (column age, row 2)"
    assert caught.value.exit_code == 1
    asked = learned.encode([{"age": "31", "town": "Bern"}, {"age": "", "town": None}], target=False)
    assert asked["numbers"][1].tolist() == [0, 1]
    lake_rows = pa.table({"_rid": [7], "age": ["old"], "town": ["Bern"]})
    with pytest.raises(LeptonError, match="column age, row 7"):
        learned.encode(lake_rows, target=False)


def test_a_missing_column_names_the_nearest(people):
    learned = learn(people, "y", inputs=["age", "town"])
    with pytest.raises(UsageError, match='"age" is missing') as caught:
        learned.encode([{"aeg": 3, "town": "Bern"}], target=False)
    assert caught.value.hint == 'Did you mean "aeg"?'
    with pytest.raises(UsageError, match='"town" is missing'):
        learned.encode(pa.table({"age": [1.0]}), target=False)
    with pytest.raises(UsageError, match="named columns"):
        learned.row("a text")
    assert learned.row({"age": 3}) == {"age": 3}


def test_what_tells_nothing_is_left_out(opened):
    rows = 60
    view = opened(
        {
            "passenger_id": list(range(rows)),
            "same": ["x"] * rows,
            "name": [f"person {n}" for n in range(rows)],
            "weight": [n * 1.5 for n in range(rows)],
            "y": ["a", "b"] * (rows // 2),
        }
    )
    fit = guess(facts(view), "y")
    assert fit.inputs == ("weight",)
    assert [note.split(" is left out")[0] for note in fit.notes] == ["passenger_id", "same", "name"]


def test_infinite_and_constant_numbers_do_not_spoil_the_rest(opened):
    view = opened({"n": [1.0, float("inf"), 3.0], "c": [5, 5, 5], "y": ["a", "b", "a"]})
    learned = learn(view, "y", inputs=["n", "c"])
    numbers = encoded(learned, view)["numbers"]
    assert numbers.tolist() == [[-1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_an_unknown_option_is_refused(people):
    fit = guess(facts(people), "y")
    with pytest.raises(UsageError, match='no option "image_size"'):
        task(fit.task).learn(fit, people, "train", {"image_size": 3})
