"""Slices: by values, by quarters and by conditions, each with the metrics of its own rows."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from core.errors import UsageError
from core.evaluation.evaluate import evaluate_model
from core.evaluation.slices import FEW, MOST_VALUES, NONE, OTHERS, REST, Slicing
from tests.evaluation.test_evaluate import answers_one_by_one

ROWS = 400


@pytest.fixture(scope="module")
def table(lake):
    made = {
        "colour": [("red", "blue", None)[n % 3] for n in range(ROWS)],
        "many": [f"name {min(n, 30)}" for n in range(ROWS)],
        "size": [None if n < 20 else float(n) for n in range(ROWS)],
        "stars": [n % 5 for n in range(ROWS)],
        "day": [dt.date(2020, 1, 1) + dt.timedelta(n) for n in range(ROWS)],
        "good": [n % 2 == 0 for n in range(ROWS)],
        "listed": [[n] for n in range(ROWS)],
    }
    return lake.commit("sliced", pa.table(made), op="import")


def parts(lake, table, asked, rids=np.arange(ROWS)):  # noqa: B008
    return {each.name: len(each.rids) for each in Slicing(lake, table, [asked]).of(rids)}


def test_a_column_of_names_makes_a_slice_of_each(lake, table):
    assert parts(lake, table, "colour") == {"red": 134, "blue": 133, NONE: 133}
    assert parts(lake, table, "good") == {"True": 200, "False": 200}
    assert parts(lake, table, "stars") == {str(n): 80 for n in range(5)}
    many = parts(lake, table, "many")
    assert len(many) == MOST_VALUES + 1
    assert many["name 30"] == ROWS - 30
    assert many[OTHERS] == 31 - MOST_VALUES


def test_many_numbers_and_times_make_quarters(lake, table):
    sizes = parts(lake, table, "size")
    assert [*sizes.values()] == [95, 95, 95, 95, 20]
    assert [*sizes] == [
        "20 to below 115",
        "115 to below 210",
        "210 to below 305",
        "305 to 399",
        NONE,
    ]
    assert [*parts(lake, table, "day").values()] == [100] * 4
    assert next(iter(parts(lake, table, "day"))) == "2020-01-01 to below 2020-04-10"


def test_quarters_and_values_are_of_the_rows_that_are_judged(lake, table):
    judged = np.arange(100, 140)
    assert [*parts(lake, table, "size", judged).values()] == [10] * 4
    assert sum(parts(lake, table, "colour", judged).values()) == 40


def test_a_condition_parts_the_rows_in_two(lake, table):
    found = parts(lake, table, "size > 300 AND colour = 'red'")
    assert found == {"size > 300 AND colour = 'red'": 33, REST: ROWS - 33}


@pytest.mark.parametrize(
    ("asked", "said", "hint"),
    [
        ("color", 'no column "color"', 'Did you mean "colour"?'),
        ("listed", '"listed" makes no slices', "Name a column of names"),
        ("size >", "no condition", "Such as"),
        ("sise > 3", 'no column "sise"', "Did you mean"),
        ("(SELECT count(*) FROM read_csv('x.csv')) > 1", "reads the data sets", "out of its reach"),
        ("true); DROP TABLE rows; --", "no condition", "Such as"),
    ],
)
def test_what_makes_no_slice_is_said_before_any_work(lake, table, asked, said, hint):
    with pytest.raises(UsageError) as caught:
        Slicing(lake, table, [asked])
    assert said in str(caught.value)
    assert hint in caught.value.hint


def test_a_slice_has_the_metrics_of_its_rows(workspace, lake, credit):
    report = evaluate_model(workspace, "credit", slices=["Home", "Age > 60"])
    truth, answers = answers_one_by_one(lake, credit, "credit@2", "test")
    with lake.open("credit@2") as view:
        rows = view.sql(
            "SELECT Home FROM rows WHERE split = 'test' AND Status IS NOT NULL ORDER BY _rid"
        )
    owners = [
        said["label"] == right
        for (home,), said, right in zip(rows, answers, truth, strict=True)
        if home == "owner"
    ]
    (owner,) = [each for each in report.slices if each["slice"] == "owner"]
    assert owner["rows"] == len(owners)
    assert owner["metrics"]["accuracy"] == pytest.approx(np.mean(owners))
    low, high = owner["intervals"]["accuracy"]
    assert low < owner["metrics"]["accuracy"] < high
    whole_low, whole_high = report.intervals["accuracy"]
    assert high - low > whole_high - whole_low, "fewer rows tell less"
    assert owner["baseline"].keys() == owner["metrics"].keys()
    by_home = [each for each in report.slices if each["by"] == "Home"]
    assert sum(each["rows"] for each in by_home) == report.rows
    for each in report.slices:
        assert each["few"] == (each["rows"] < FEW)
        assert not (each["few"] and each["than_all"]), "few rows stand out by chance"


def test_a_slice_that_is_worse_stands_out(workspace, lake, credit):
    """The model is right of most good customers and of few bad ones."""
    report = evaluate_model(workspace, "credit", slices=["Status = 'bad'", "Age > 1000"])
    bad, others, nobody, _ = report.slices
    assert bad["than_all"] == "worse"
    assert others["than_all"] == "better"
    assert (nobody["rows"], nobody["metrics"], nobody["than_all"]) == (0, {}, None)
