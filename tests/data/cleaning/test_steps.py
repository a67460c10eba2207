"""What each step makes of the rows, held against what a person expects or another library does."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.errors import LeptonError, UsageError

NAN = float("nan")
Column = list[Any]


class Bench:
    """A lake with one data set, on which steps are tried."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.did: list[dict[str, int]] = []

    def __call__(
        self, columns: dict[str, Any], *steps: dict[str, Any], target: str | None = None
    ) -> dict[str, Column]:
        """The columns, `_rid` among them, that the steps make of these; `did` has the counts."""
        base = self.lake.commit("rows", pa.table(columns), op="import", target=target)
        made = clean(self.lake, base, Recipe.of(list(steps)))
        self.did = [step["did"] for step in made.params["steps"]]
        with self.lake.open(made) as view:
            listed: dict[str, Column] = view.arrow("SELECT * FROM rows ORDER BY _rid").to_pydict()
        return listed


@pytest.fixture
def made(lake: Lake) -> Bench:
    return Bench(lake)


def step(do: str, **settings: Any) -> dict[str, Any]:
    """A step; a setting that is a word of Python's is written with an underscore."""
    return {"do": do, **{key.rstrip("_").replace("_", "-"): v for key, v in settings.items()}}


def test_rows_that_are_equal(made: Bench) -> None:
    columns = {"a": [1, 1, 1, 2, None, None], "b": ["x", "y", "x", "x", "z", "z"]}
    assert made(columns, step("drop-duplicates"))["_rid"] == [0, 1, 3, 4]
    assert made(columns, step("drop-duplicates", columns=["a"]))["_rid"] == [0, 3, 4]
    assert made(columns, step("drop-duplicates", columns="a", keep="last"))["_rid"] == [2, 3, 5]
    assert made.did == [{"rows dropped": 3}]


def test_rows_with_gaps(made: Bench) -> None:
    columns = {"a": [1.0, None, NAN, None], "b": ["x", "y", None, None]}
    assert made(columns, step("drop-rows"))["_rid"] == [0]
    assert made(columns, step("drop-rows", columns=["b"]))["_rid"] == [0, 1]
    assert made(columns, step("drop-rows", missing="all"))["_rid"] == [0, 1], "NaN is missing"


def test_rows_that_fulfil_a_condition(made: Bench) -> None:
    columns = {"age": [3, None, 5, 4], "select": ["a", "b", None, "d"]}
    assert made(columns, step("filter", where="age >= 4"))["_rid"] == [2, 3]
    assert made(columns, step("filter", where="\"select\" > 'a' -- and so on"))["_rid"] == [1, 3]


def test_a_wrong_name_in_sql_is_told_with_the_nearest(made: Bench) -> None:
    for words in (step("filter", where="agee > 3"), step("derive", column="x", sql="agee + 1")):
        with pytest.raises(UsageError, match='no column "agee"') as caught:
            made({"age": [3, 4], "size": [1, 2]}, words)
        assert 'Did you mean "age"' in caught.value.hint


FILLED = {
    "x": [1.0, None, 3.0, None, NAN, 8.0],
    "n": [1, 2, None, 2, 9, None],
    "word": ["a", None, "b", "b", None, "a"],
    "group": ["p", "p", "p", "q", "q", None],
    "split": ["train", "train", "train", "train", "test", "test"],
}


@pytest.mark.parametrize(
    ("settings", "column", "expected"),
    [
        ({"with": "mean"}, "x", [1, 4, 3, 4, 4, 8]),
        ({"with": "mean", "from": "train"}, "x", [1, 2, 3, 2, 2, 8]),
        ({"with": "median"}, "n", [1, 2, 2, 2, 9, 2]),
        ({"with": "mean"}, "n", [1, 2, 4, 2, 9, 4]),
        ({"with": "median", "by": "group"}, "x", [1, 2, 3, 3, 3, 8]),
        ({"with": "mean", "by": "group", "from": "train"}, "n", [1, 2, 2, 2, 9, 2]),
        ({"with": "mode"}, "word", ["a", "a", "b", "b", "a", "a"]),
        ({"with": "mode", "from": "train"}, "word", ["a", "b", "b", "b", "b", "a"]),
        ({"with": "mode", "by": "group"}, "word", ["a", "a", "b", "b", "b", "a"]),
        ({"with": "mode"}, "n", [1, 2, 2, 2, 9, 2]),
        ({"with": "forward"}, "x", [1, 1, 3, 3, 3, 8]),
        ({"with": "forward", "by": "group"}, "x", [1, 1, 3, None, None, 8]),
        ({"with": "forward", "order": "n"}, "x", [1, 1, 3, 1, 1, 8]),
        ({"with": "constant", "value": 7}, "x", [1, 7, 3, 7, 7, 8]),
        ({"with": "constant", "value": "?"}, "word", ["a", "?", "b", "b", "?", "a"]),
    ],
)
def test_gaps_are_filled(
    made: Bench, settings: dict[str, Any], column: str, expected: Column
) -> None:
    found = made(FILLED, {"do": "fill", "columns": [column], **settings})
    assert found[column] == expected
    was = [value is None or value != value for value in FILLED[column]]
    gone = sum(gap and value is not None for gap, value in zip(was, expected, strict=True))
    assert made.did[0]["cells filled"] == gone


def test_a_constant_fills_the_columns_it_suits(made: Bench) -> None:
    found = made(FILLED, step("fill", with_="constant", value="none"), target="group")
    assert found["word"] == ["a", "none", "b", "b", "none", "a"]
    assert found["group"][-1] is None, "the target is left alone"
    assert found["n"] == FILLED["n"]
    days = {"day": pa.array([dt.date(2024, 1, 2), None]), "ok": [True, None]}
    found = made(days, step("fill", columns=["day"], with_="constant", value="2024-05-06"))
    assert found["day"][1] == dt.date(2024, 5, 6)
    assert made(days, step("fill", columns="ok", with_="mode"))["ok"] == [True, True]
    with pytest.raises(LeptonError, match="cannot be"):
        made(days, step("fill", columns=["day"], with_="constant", value="soon"))


def test_gaps_are_filled_from_the_nearest_rows_as_scikit_learn_does(made: Bench) -> None:
    from sklearn.impute import KNNImputer

    chance = np.random.default_rng(3)
    rows = chance.normal(size=(300, 3)) * [1, 20, 300] + [0, 5, 7]
    rows[:, 2] += 100 * rows[:, 0]
    rows[chance.random(rows.shape) < 0.15] = np.nan
    columns = {name: rows[:, at] for at, name in enumerate("abc")}
    found = made(columns, step("fill", columns=["a", "c"], with_="neighbours", k=4))
    mean, std = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    expected = KNNImputer(n_neighbors=4).fit_transform((rows - mean) / std) * std + mean
    for at, name in ((0, "a"), (2, "c")):
        assert found[name] == pytest.approx(list(expected[:, at]))
    assert np.isnan(np.array(found["b"], float)).sum() == np.isnan(rows[:, 1]).sum()
    split = ["train"] * 200 + ["test"] * 100
    settings = {"columns": ["a"], "with_": "neighbours", "k": 4, "from_": "train"}
    found = made({**columns, "split": split}, step("fill", **settings))
    mean, std = np.nanmean(rows[:200], axis=0), np.nanstd(rows[:200], axis=0)
    scaled = (rows - mean) / std
    expected = KNNImputer(n_neighbors=4).fit(scaled[:200]).transform(scaled) * std + mean
    assert found["a"] == pytest.approx(list(expected[:, 0]))


@pytest.mark.parametrize(
    ("to", "given", "expected"),
    [
        ("integer", [" 7 ", "-3", "1e3", "4.0", None], [7, -3, 1000, 4, None]),
        ("number", ["1.5", "-2", "1e-2", None], [1.5, -2.0, 0.01, None]),
        ("boolean", ["true", "False", "1", "0"], [True, False, True, False]),
        ("date", ["2024-02-29", None], [dt.date(2024, 2, 29), None]),
        ("timestamp", ["2024-02-29 10:20:30"], [dt.datetime(2024, 2, 29, 10, 20, 30)]),
        ("text", [1, 2, None], ["1", "2", None]),
    ],
)
def test_columns_take_another_type(made: Bench, to: str, given: Column, expected: Column) -> None:
    assert made({"c": given, "d": given}, step("cast", columns=["c"], to=to))["c"] == expected


def test_a_value_that_cannot_be_turned_stops_or_becomes_missing(made: Bench) -> None:
    columns = {"c": ["1", "2.5", "x", "1,5"]}
    with pytest.raises(LeptonError, match='"1,5" in column "c" is no integer, and 2 more'):
        made(columns, step("cast", columns=["c"], to="integer"))
    cast = step("cast", columns=["c"], to="integer", unreadable="missing")
    assert made(columns, cast)["c"] == [1, None, None, None], "nothing is rounded"
    assert made.did[0]["unreadable"] == 3
    comma = step("cast", columns=["c"], to="number", decimal=",", unreadable="missing")
    assert made(columns, comma)["c"] == [1.0, 2.5, None, 1.5]
    assert made({"c": [1.5, 2.0]}, step("cast", columns="c", to="integer"))["c"] == [2, 2]


def test_columns_go_and_get_other_names(made: Bench) -> None:
    columns = {"a": [1], "B c": [2], "d": [3]}
    assert list(made(columns, step("drop-columns", columns=["a", "d"]))) == ["_rid", "B c"]
    found = made(columns, step("rename", names={"a": "d", "d": "a"}))
    assert (found["a"], found["d"]) == ([3], [1])
    for names in ({"a": "b C"}, {"a": "_RID"}, {"a": "split"}, {"a": ""}, {"a": "x", "d": "X"}):
        with pytest.raises(UsageError):
            made(columns, step("rename", names=names))
    with pytest.raises(UsageError, match="no column would be left"):
        made(columns, step("drop-columns", columns=["a", "B c", "d"]))


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({}, [" a\u00a0 b\t", "\u3000c\u200b", None], ["a b", "c", None]),
        ({"whitespace": "trim"}, [" a  b "], ["a  b"]),
        ({"whitespace": "keep"}, [" a  b "], [" a  b "]),
        ({"case": "lower"}, ["ÄB", "ẞ"], ["äb", "ß"]),
        ({"case": "upper"}, ["ab"], ["AB"]),
        ({"accents": "drop"}, ["Éclair"], ["Eclair"]),
        ({}, ["e\u0301"], ["é"]),
        ({"unicode": "NFD"}, ["é"], ["e\u0301"]),
        ({"unicode": "NFKC"}, ["ﬁne ②"], ["fine 2"]),
        ({"unicode": "keep"}, ["e\u0301"], ["e\u0301"]),
        (
            {"html": True},
            ["<p>1 &lt; 2</p><script>x=1</script>", "a<br>b &amp; c", "3 < 4 > 2"],
            ["1 < 2", "a b & c", "3 < 4 > 2"],
        ),
    ],
)
def test_text_is_written_in_one_way(
    made: Bench, settings: dict[str, Any], given: Column, expected: Column
) -> None:
    found = made({"t": given, "n": [1] * len(given)}, {"do": "normalise-text", **settings})
    assert found["t"] == expected
    assert made.did[0]["cells changed"] == sum(a != b for a, b in zip(given, expected, strict=True))


def test_two_steps_of_a_kind_count_their_own_cells(made: Bench) -> None:
    columns = {"a": ["A", "b", "C"], "b": [" x", "y", "z"]}
    steps = [
        step("normalise-text", columns=["a"], case="lower"),
        step("normalise-text", columns=["b"]),
        step("trim", columns=["a"]),
    ]
    made(columns, *steps)
    assert [did["cells changed"] for did in made.did] == [2, 1, 0]


def test_white_space_goes_off_both_ends(made: Bench) -> None:
    columns = {"t": ["\u2003a b\ufeff", "  ", None, "c"], "other": [" x ", "y", "", None]}
    found = made(columns, step("trim", columns=["t"], empty="missing"))
    assert found["t"] == ["a b", None, None, "c"]
    assert found["other"] == columns["other"]
    found = made(columns, step("trim"))
    assert (found["t"][1], found["other"][0]) == ("", "x")
    assert made.did[0]["cells changed"] == 3


def test_dates_that_were_text(made: Bench) -> None:
    columns = {"d": ["2024-03-01", " 31.12.2023 ", None, "5.6.2024"]}
    found = made(columns, step("parse-dates", columns=["d"]))
    assert found["d"] == [
        dt.date(2024, 3, 1),
        dt.date(2023, 12, 31),
        None,
        dt.date(2024, 6, 5),
    ]
    times = {"d": ["2024-03-01 10:00:00", "2024-03-02T11:30:00"]}
    found = made(times, step("parse-dates", columns=["d"], to="timestamp"))
    assert found["d"][1] == dt.datetime(2024, 3, 2, 11, 30)
    odd = {"d": ["2024-03-01", "2024-02-30", "soon"]}
    with pytest.raises(LeptonError, match="is no date"):
        made(odd, step("parse-dates", columns=["d"]))
    found = made(odd, step("parse-dates", columns=["d"], unreadable="missing"))
    assert found["d"] == [dt.date(2024, 3, 1), None, None]
    with pytest.raises(UsageError, match="cannot be told apart"):
        made({"d": ["01/02/2024", "03/04/2024"]}, step("parse-dates", columns=["d"]))
    american = step("parse-dates", columns=["d"], formats=["%m/%d/%Y"])
    assert made({"d": ["01/02/2024"]}, american)["d"] == [dt.date(2024, 1, 2)]
    assert made({"d": ["01/02/2024", "01/31/2024"]}, step("parse-dates", columns=["d"]))["d"] == [
        dt.date(2024, 1, 2),
        dt.date(2024, 1, 31),
    ]


def test_times_of_twelve_hours_are_read_whole(made: Bench) -> None:
    texts = ["03/15/2024 01:30 PM", "3/16/2024 1:05:09 am", "03/17/2024 12:00AM", None]
    whole = [
        dt.datetime(2024, 3, 15, 13, 30),
        dt.datetime(2024, 3, 16, 1, 5, 9),
        dt.datetime(2024, 3, 17),
        None,
    ]
    found = made({"d": texts}, step("parse-dates", columns=["d"], to="timestamp"))
    assert found["d"] == whole
    assert "times of day left out" not in made.did[0]
    others = {"d": ["Mar 15, 2024 1:30 PM", "2024-03-16 1:05:09 AM", "17.03.2024 12:00 am", None]}
    assert made(others, step("parse-dates", columns=["d"], to="timestamp"))["d"] == whole
    found = made({"d": texts}, step("parse-dates", columns=["d"]))
    assert found["d"] == [each and each.date() for each in whole]
    assert made.did[0]["times of day left out"] == 2
    # What an hour, or a half of the day, cannot be is no date; nor is what comes after it cut off.
    for odd in ("03/15/2024 13:30 PM", "03/15/2024 00:30 PM", "03/15/2024 1:30 PM CET"):
        with pytest.raises(LeptonError, match="is no date in"):
            made({"d": [*texts, odd]}, step("parse-dates", columns=["d"], to="timestamp"))
    with pytest.raises(UsageError, match='"d" holds times of day without a date') as told:
        made({"d": ["1:05:09 am", "01:30 PM"]}, step("parse-dates", columns=["d"]))
    assert "derive" in told.value.hint
    joined = step("derive", column="when", sql="day || ' ' || d")
    columns = {"day": ["3/15/2024"], "d": ["1:05:09 am"]}
    read = step("parse-dates", columns=["when"], to="timestamp")
    assert made(columns, joined, read)["when"] == [dt.datetime(2024, 3, 15, 1, 5, 9)]


def test_values_are_written_as_others(made: Bench) -> None:
    columns = {"c": ["y", "N", "NA", None, "?"], "n": [1, 2, 3, 4, 5]}
    values = {"y": "yes", "N": "no"}
    found = made(columns, step("map-values", columns="c", values=values, missing=["NA"]))
    assert found["c"] == ["yes", "no", None, None, "?"]
    assert made.did[0]["cells changed"] == 3
    found = made(columns, step("map-values", columns="c", values=values, others="missing"))
    assert found["c"] == ["yes", "no", None, None, None]
    with pytest.raises(LeptonError, match="is not among the values"):
        made(columns, step("map-values", columns="c", values=values, others="stop"))
    found = made(
        columns, step("map-values", columns="c", values={"y": 1, "N": 0}, others="missing")
    )
    assert found["c"] == [1, 0, None, None, None]
    assert made(columns, step("map-values", columns="n", values={"3": 30}))["n"] == [1, 2, 30, 4, 5]
    assert made(columns, step("map-values", columns="n", values={"3": 0.5}))["n"][2] == 0.5
    assert made(columns, step("map-values", columns="n", values={"3": "three"}))["n"][2] == "three"


NO_EXPRESSIONS = (
    *("", " -- a", "a, b", "a AS d", "*", "(SELECT 1)", "a; DROP TABLE rows"),
    *("random()", "read_text('/etc/passwd')", "unnest([1, 2])", "getenv('HOME') IS NULL; a"),
)


def test_columns_are_derived(made: Bench) -> None:
    columns = {"a": [1, 2, None], "b": [2.0, 4.0, 6.0]}
    assert made(columns, step("derive", column="c", sql="a / b"))["c"] == [0.5, 0.5, None]
    assert made(columns, step("derive", column="a", sql="coalesce(a, 0) + 1"))["a"] == [2, 3, 1]
    assert made.did[0]["cells changed"] == 3
    running = made(columns, step("derive", column="s", sql="sum(b) OVER (ORDER BY _rid)"))
    assert running["s"] == [2.0, 6.0, 12.0]
    assert made(columns, step("derive", column="l", sql="[a, a]"))["l"][1] == "[2,2]"
    for sql in NO_EXPRESSIONS:
        with pytest.raises(UsageError):
            made(columns, step("derive", column="c", sql=sql))
    with pytest.raises(UsageError, match="cannot be derived"):
        made(columns, step("derive", column="_rid", sql="1"))


NUMBERS = {
    "x": [*(float(n) for n in range(20)), 1000.0, None, NAN, math.inf],
    "n": [*range(20), -500, None, 3, 4],
    "same": [7.0] * 24,
    "split": ["train"] * 20 + ["test"] * 4,
}


@pytest.mark.parametrize("how", ["standard", "min-max", "robust"])
@pytest.mark.parametrize("from_", ["all", "train"])
def test_numbers_come_to_one_scale(made: Bench, how: str, from_: str) -> None:
    found = made(NUMBERS, step("scale", how=how, from_=from_))
    for name in ("x", "n"):
        given = np.array([NAN if v is None else v for v in NUMBERS[name]], float)
        known = given[:20] if from_ == "train" else given[np.isfinite(given)]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        centre, spread = {
            "standard": (known.mean(), known.std()),
            "min-max": (known.min(), known.max() - known.min()),
            "robust": (middle, high - low),
        }[how]
        now = np.array([NAN if v is None else v for v in found[name]], float)
        np.testing.assert_allclose(now, (given - centre) / spread, equal_nan=True)
    assert found["same"] == [7.0 - 7.0] * 24


@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        ({}, -9.5, 29.5),
        ({"reach": 3}, -24.0, 44.0),
        ({"from": "train"}, 4.75 - 1.5 * 9.5, 14.25 + 1.5 * 9.5),
        (
            {"how": "z-score", "from": "train", "reach": 2},
            *(9.5 + s * 2 * 5.9160798 for s in (-1, 1)),
        ),
    ],
)
def test_numbers_that_lie_far_outside(
    made: Bench, settings: dict[str, Any], low: float, high: float
) -> None:
    columns = {name: NUMBERS[name] for name in ("x", "split")}
    columns["x"] = [*columns["x"][:23], -50.0]
    if "from" not in settings:
        numbers = np.array([*columns["x"][:21], -50.0])
        first, third = np.quantile(numbers, [0.25, 0.75])
        reach = settings.get("reach", 1.5)
        low, high = first - reach * (third - first), third + reach * (third - first)
    found = made(columns, {"do": "clip-outliers", "columns": ["x"], **settings})["x"]
    assert found[:20] == columns["x"][:20]
    assert found[20] == pytest.approx(high)
    assert found[21] is None and math.isnan(found[22])
    assert found[23] == pytest.approx(low)
    assert made.did[0]["cells changed"] == 2
    found = made(columns, {"do": "drop-outliers", "columns": ["x"], **settings})
    assert found["_rid"] == [*range(20), 21, 22], "what is missing stays"
    assert made.did[0]["rows dropped"] == 2


def test_whole_numbers_are_clipped_to_whole_numbers(made: Bench) -> None:
    columns = {"n": [1, 2, 3, 4, 100], "y": [1, 2, 3, 4, 100]}
    found = made(columns, step("clip-outliers"), target="y")
    assert found["n"] == [1, 2, 3, 4, 7]
    assert found["y"] == columns["y"], "the target is left alone"


def test_categories_become_numbers(made: Bench) -> None:
    columns = {
        "size": ["S", "L", None, "M", "XL"],
        "split": ["train", "train", "train", "train", "test"],
    }
    found = made(columns, step("encode", columns=["size"], from_="train"))
    assert list(found) == ["_rid", "split", "size_L", "size_M", "size_S"]
    assert found["size_L"] == [0, 1, 0, 0, 0]
    assert made.did[0] == {"unseen": 1, "columns added": 3}
    order = step("encode", columns=["size"], as_="ordinal", order=["S", "M", "L"])
    assert made(columns, order)["size"] == [0, 2, None, 1, None]
    assert made.did[0] == {"cells changed": 3, "unseen": 1}
    assert made(columns, step("encode", columns=["size"], as_="label"))["size"] == [
        2,
        0,
        None,
        1,
        3,
    ]
    with pytest.raises(LeptonError, match="has 4 categories"):
        made(columns, step("encode", columns=["size"], most=3))
    with pytest.raises(UsageError, match='"order" goes with'):
        made(columns, step("encode", columns=["size"], as_="ordinal"))


PERSONAL = [
    ("write to anna.b+x@mail.example.org, please", "write to [email], please"),
    ("ünï@exämple.ch", "[email]"),
    ("a@b, @home and x@", "a@b, @home and x@"),
    ("call +41 44 123 45 67 or 044 123 45 67", "call [phone] or [phone]"),
    ("(555) 123-4567; 555-123-4567", "[phone]; [phone]"),
    ("on 2024-05-31 10:00 and 31.12.2023", "on 2024-05-31 10:00 and 31.12.2023"),
    ("pay 4111 1111 1111 1111 now", "pay [card] now"),
    ("5500-0000-0000-0004", "[card]"),
    ("4111 1111 1111 1112", "4111 1111 1111 1112"),
    ("from 192.168.0.1 to ::1 and 2001:db8::ff00:42:8329.", "from [ip] to [ip] and [ip]."),
    ("version 1.2.3.4.5, 999.1.1.1 and 12:30:45", "version 1.2.3.4.5, 999.1.1.1 and 12:30:45"),
    ("order 12345, 3.14159265358, 1,234,567", "order 12345, 3.14159265358, 1,234,567"),
    (None, None),
]


def test_what_tells_who_somebody_is_is_masked(made: Bench) -> None:
    given = [before for before, _ in PERSONAL]
    assert made({"t": given}, step("mask-personal"))["t"] == [after for _, after in PERSONAL]
    assert made.did[0] == {
        "cells changed": sum(a != b for a, b in PERSONAL),
        "email masked": 2,
        "phone masked": 4,
        "card masked": 2,
        "ip masked": 3,
    }
    stars = step("mask-personal", what=["email"], with_="stars")
    found = made({"t": ["hi a@b.ch", "1.2.3.4"]}, stars)
    assert found["t"] == ["hi ******", "1.2.3.4"]


LEARNING = [
    step("fill", columns=["x"], with_="median", by="group", from_="train"),
    step("fill", columns=["word"], with_="mode", from_="train"),
    step("fill", columns=["n"], with_="mean"),
    step("parse-dates", columns=["day"]),
    step("clip-outliers", columns=["x"], how="z-score", reach=1),
    step("scale", columns=["x"], how="robust", from_="train"),
    step("encode", columns=["word"], as_="one-hot"),
    step("encode", columns=["group"], as_="label"),
    step("drop-outliers", columns=["n"]),
]


def test_a_row_alone_tomorrow_becomes_what_it_became_among_others_today(lake: Lake) -> None:
    columns = {**FILLED, "day": ["13.02.2024", "01.02.2024", None, "02.02.2024", None, None]}
    today = lake.commit("today", pa.table(columns), op="import")
    learned = clean(lake, today, Recipe.of(LEARNING))
    with lake.open(learned) as view:
        after = {row["_rid"]: row for row in view.rows(range(6))}
    assert learned.rows == 5, "the step that drops rows drops one"
    for rid in range(6):
        alone = {name: [values[rid]] for name, values in columns.items() if name != "split"}
        types = {"x": pa.float64(), "n": pa.int64()}
        row = pa.table({k: pa.array(v, types.get(k, pa.string())) for k, v in alone.items()})
        tomorrow = lake.commit("tomorrow", row, op="import")
        if rid not in after:
            with pytest.raises(LeptonError, match="no rows to keep"):
                clean(lake, tomorrow, Recipe.of(LEARNING), as_learned=learned)
            continue
        made = clean(lake, tomorrow, Recipe.of(LEARNING), as_learned=learned)
        with lake.open(made) as view:
            (found,) = view.rows([0])
        wanted = {k: v for k, v in after[rid].items() if k not in ("_rid", "split")}
        assert {k: v for k, v in found.items() if k != "_rid"} == wanted


def test_neighbours_are_not_learned_and_that_is_said(lake: Lake) -> None:
    recipe = Recipe.of([step("fill", columns=["x"], with_="neighbours")])
    rows = pa.table({"x": [1.0, None, 3.0], "y": [1.0, 2.0, 3.0]})
    today = clean(lake, lake.commit("today", rows, op="import"), recipe)
    tomorrow = lake.commit("tomorrow", rows, op="import")
    with pytest.raises(UsageError, match="nothing that it has learned"):
        clean(lake, tomorrow, recipe, as_learned=today)
    assert len(lake.versions("tomorrow")) == 1
