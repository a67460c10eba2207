"""Forecasting: steps and seasons, windows that do not look ahead, and months never seen."""

import datetime as dt
import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from core.data.lake.lake import Lake
from core.data.splitting.split import ensure_split, split
from core.errors import LeptonError, UsageError
from core.evaluation.evaluate import evaluate_model
from core.evaluation.markdown import to_markdown
from core.inference.engine import Engine
from core.inference.inputs import read_inputs
from core.ingest import ingest
from core.models.registry import Models, task_of
from core.tasks import facts, guess
from core.tasks.reading import LeftOut
from core.tasks.time_grid import DAY, HOUR, Step, season
from core.tasks.time_series_forecasting import TimeSeriesForecasting
from core.tasks.windows import NO_ROW, Line, UnevenError
from core.training.config import TrainConfig
from core.training.rehearsal import rehearse
from core.training.start import start_training
from core.workspace import Workspace

from .conftest import SAMPLES

CHICAGO = SAMPLES / "series" / "chicago_ridership.csv"
TASK = "time-series-forecasting"
DEADLINE = 300
FIRST = dt.date(2024, 1, 1)


def days(count):
    return [FIRST + dt.timedelta(days=at) for at in range(count)]


def weekly(count, level=10.0):
    """Values that come again every seven days, and creep up."""
    return [level + at % 7 + 0.01 * at for at in range(count)]


def parts(count, validation=14, test=14):
    train = count - validation - test
    return ["train"] * train + ["validation"] * validation + ["test"] * test


def learned(view, split="train", **options):
    fit = guess(facts(view), task=TASK, target=options.pop("target", None))
    TimeSeriesForecasting.check_target(fit, view)
    return TimeSeriesForecasting.learn(fit, view, split, options)


def windows(task, view, split, left_out=None):
    made = list(task.examples(task.read(view, split, 50), left_out))
    return {name: np.concatenate([each[name] for each in made]) for name in made[0]}


def micros(*times):
    return np.array(times, "datetime64[us]").astype(np.int64)


# Steps and seasons


@pytest.mark.parametrize(
    ("times", "words", "following"),
    [
        (["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "a month", "2024-05-31"),
        (["2023-10-01", "2024-01-01", "2024-04-01"], "3 months", "2024-07-01"),
        (["2021-06-01", "2022-06-01", "2023-06-01"], "a year", "2024-06-01"),
        (["2024-02-26", "2024-02-27", "2024-02-28"], "a day", "2024-02-29"),
        (["2024-01-01", "2024-01-08", "2024-01-22"], "a week", "2024-01-29"),
        (
            ["2024-01-01T00:00", "2024-01-01T00:15", "2024-01-01T00:30"],
            "15 minutes",
            "2024-01-01T00:45",
        ),
    ],
)
def test_the_step_is_that_of_the_calendar(times, words, following):
    known = micros(*times)
    step = Step.learn([known])
    assert step.words == words
    assert step.after(int(known[-1]), 1).tolist() == micros(following).tolist()
    ahead = np.concatenate([known, step.after(int(known[-1]), 3)])
    assert np.diff(step.places(ahead))[-3:].tolist() == [1, 1, 1]
    assert Step.from_json(json.loads(json.dumps(step.to_json()))) == step


def test_the_season_is_the_shortest_that_explains_as_much():
    at = np.arange(24 * 7 * 6)
    noise = np.random.default_rng(0).normal(0, 0.1, len(at))
    hours = Step(0, us=HOUR)
    assert hours.seasons == [24, 168]
    assert season(hours, [np.sin(at * 2 * np.pi / 24) + noise]) == 24
    long = np.arange(24 * 7 * 60)
    livelier = np.sin(long * 2 * np.pi / 24) * np.where(long // 24 % 7 > 4, 1.5, 1.0)
    assert season(hours, [livelier]) == 24
    week = np.where(at // 24 % 7 > 4, 3.0, 0.0) * (at % 24 == 12) + noise
    assert season(hours, [week]) == 168
    assert season(hours, [noise]) == 1
    assert season(Step(0, us=DAY), [np.arange(100.0)]) == 1


def test_a_series_is_laid_on_its_grid():
    line = Line.lay(
        np.array([5, 2, 2, 3]),
        np.array([[1.0], [4.0], [6.0], [np.nan]]),
        np.array([10, 11, 12, 13]),
        np.array([True, False, False, False]),
    )
    assert (line.first, line.repeated, line.empty) == (2, 1, 1)
    assert line.rids.tolist() == [11, 13, NO_ROW, 10]
    assert line.filled()[:, 0].tolist() == [5.0, 5.0, 5.0, 1.0]
    with pytest.raises(UnevenError):
        Line.lay(np.array([0, 10_000]), np.zeros((2, 1)), np.arange(2), np.ones(2, bool))


# Which data sets


def test_times_and_one_number_are_a_series(opened):
    alone = opened({"day": days(60), "sold": weekly(60)})
    fit = guess(facts(alone))
    assert (fit.task, fit.inputs, fit.target) == (TASK, ("day",), "sold")
    shops = opened(
        {"shop": ["a", "b"] * 60, "day": [d for d in days(60) for _ in "ab"], "sold": weekly(120)}
    )
    fit = guess(facts(shops))
    assert (fit.task, fit.inputs, fit.target) == (TASK, ("day", "shop"), "sold")
    sorts = opened({"day": days(60), "sold": weekly(60), "kind": ["a", "b"] * 30})
    assert guess(facts(sorts)).task == "tabular-classification"
    more = opened({"day": days(60), "sold": weekly(60), "rain": weekly(60, 3)})
    assert (guess(facts(more)).task, guess(facts(more)).target) == (TASK, "sold")
    assert guess(facts(more), "rain").task == "tabular-regression"
    fit = guess(facts(more), task=TASK)
    assert (fit.inputs, fit.target) == (("day", "rain"), "sold")
    flowers = opened({"width": weekly(60), "kind": ["a", "b"] * 30})
    with pytest.raises(UsageError, match="needs a column of dates") as told:
        guess(facts(flowers), task=TASK)
    assert "'derive column=date sql=" in told.value.hint
    with pytest.raises(UsageError) as told:
        guess(facts(more), "day", TASK)
    assert told.value.hint == "Name a number to tell: --target sold or --target rain."
    written = opened({"when": ["3 May 2024", "4 May 2024"] * 30, "sold": weekly(60)})
    with pytest.raises(UsageError) as told:
        guess(facts(written), task=TASK)
    assert told.value.hint.endswith(
        f"clean {written.version.dataset} --step 'parse-dates columns=when'"
    )


# Windows


def test_the_steps_to_come_lie_in_the_split_and_the_past_before_them(opened):
    view = opened({"day": days(120), "sold": weekly(120), "split": parts(120)})
    task = learned(view, context=10, horizon=5)
    assert (task.season, task.context, task.horizon) == (7, 10, 5)
    unit = task.learnt.units[""]
    values = np.array(weekly(120))
    for name, rows in (
        ("train", range(92)),
        ("validation", range(92, 106)),
        ("test", range(106, 120)),
    ):
        made = windows(task, view, name)
        first = max(10, rows.start)
        assert made["_rid"].tolist() == list(range(first, rows.stop - 4))
        for past, ahead, rid in zip(made["past"], made["target"], made["_rid"], strict=True):
            told = np.concatenate([past[:, 0], ahead]) * unit.deviation + unit.mean
            assert np.allclose(told, values[rid - 10 : rid + 5], atol=1e-4)


def test_what_is_missing_is_read_as_it_was_and_not_judged(opened):
    sold = weekly(120)
    sold[40], sold[50] = None, float("inf")
    rows = [at for at in range(120) if at not in (60, 61)]
    view = opened(
        {
            "day": [*[days(120)[at] for at in rows][::-1], days(1)[0], None],
            "sold": [*[sold[at] for at in rows][::-1], sold[0] + 2, 5.0],
            "split": [*[parts(120)[at] for at in rows][::-1], "train", "train"],
        }
    )
    task = learned(view, context=10, horizon=5)
    told = " ".join(task.notes)
    assert "not in order of day" in told
    assert "1 rows have no day" in told
    assert "1 rows repeat a time" in told
    assert "4 of 92 steps have no sold" in told
    made = windows(task, view, "train")
    known = np.isfinite(made["target"])
    unit = task.learnt.units[""]
    ids = dict(zip(rows[::-1], range(len(rows)), strict=True))
    at = made["_rid"].tolist().index(ids[39])
    assert known[at].tolist() == [True, False, True, True, True]
    assert made["past"][at + 2, -1, 0] * unit.deviation + unit.mean == pytest.approx(sold[39])
    scores = task.scores(np.concatenate([made["target"], made["unit"]], 1), made["target"])
    assert scores["mean_absolute_error"] == 0
    batch = {name: torch.from_numpy(each) for name, each in made.items()}
    assert float(task.loss(batch["target"].nan_to_num(100.0), batch)) == 0
    assert (made["_rid"] >= 0).all(), "a step without a row is named by the next one"


def test_a_past_that_is_mostly_unknown_is_not_read(opened):
    dates = [day for at, day in enumerate(days(200)) if not 60 <= at < 100]
    sold = [value for at, value in enumerate(weekly(200)) if not 60 <= at < 100]
    view = opened({"day": dates, "sold": sold, "split": parts(160)})
    made = windows(learned(view, context=14, horizon=3), view, "train")
    first = [dates[rid] for rid in made["_rid"]]
    assert dates[59] in first
    assert not [day for day in first if days(200)[100] <= day < days(200)[107]]
    assert days(200)[107] in first


def test_series_are_apart_and_covariates_are_of_the_past(opened):
    dates = [day for day in days(120) for _ in "ab"]
    sold = [v for at in range(120) for v in (weekly(120)[at], 1000 * weekly(120)[at])]
    view = opened(
        {
            "shop": ["a", "b"] * 120,
            "day": dates,
            "sold": sold,
            "rain": [float(at // 2) for at in range(240)],
            "split": [part for part in parts(120) for _ in "ab"],
        }
    )
    task = learned(view, target="sold", context=10, horizon=5)
    assert "2 series, told apart by shop" in " ".join(task.notes)
    assert task.learnt.units["b"].mean == pytest.approx(1000 * task.learnt.units["a"].mean)
    assert task.learnt.units["b"].scale == pytest.approx(task.learnt.units["a"].scale)
    made = windows(task, view, "test")
    assert made["past"].shape == (20, 10, 2)
    a, b = made["past"][:10], made["past"][10:]
    assert np.allclose(a, b, atol=1e-5)
    rain = task.past[0]
    told = a[0, :, 1] * rain.std + rain.mean
    assert np.allclose(told, range(96, 106), atol=1e-3)
    by_number = opened({"day": dates, "shop": [1, 2] * 120, "sold": sold})
    task = learned(by_number, None, target="sold", series="shop")
    assert sorted(task.learnt.units) == ["1", "2"]
    assert task.columns == ("day", "sold", "shop")


def test_rows_are_looked_up_together_each_with_its_own_past(opened):
    count = 40
    view = opened(
        {
            "shop": ["a", "b"] * count,
            "day": [day for day in days(count) for _ in "ab"],
            "sold": [float(at) for at in range(2 * count)],
        }
    )
    task = learned(view, None, target="sold", context=5, horizon=3)
    found = task.look_up(view, [61, 20, 79, 5000])
    assert sorted(found) == [20, 61, 79]
    for rid, (past, truth) in found.items():
        # A series has every second row; the past goes back twice the context.
        assert past["sold"] == [float(at) for at in range(rid - 20, rid + 1, 2) if at >= 0]
        assert set(past["shop"]) == {"ab"[rid % 2]}
        to_come = [float(at) for at in range(rid + 2, min(rid + 8, 2 * count), 2)]
        assert truth == ({"values": to_come} if to_come else None)


def test_a_row_without_a_time_has_no_past(opened):
    view = opened({"day": [*days(40), None], "sold": weekly(41)})
    task = learned(view, None, target="sold", context=7, horizon=3)
    assert task.look_up(view, [40]) == {40: ({"day": [], "sold": []}, None)}


def test_the_baseline_is_the_season_before(opened):
    view = opened({"day": days(120), "sold": weekly(120), "split": parts(120)})
    task = learned(view, context=21, horizon=10)
    made = windows(task, view, "train")
    batch = {name: torch.from_numpy(each) for name, each in made.items()}
    found = task.keep(task.naive(batch), batch).numpy()
    scores = task.scores(found, made["target"])
    # A week creeps up by 0.07; beyond the first week the value is two weeks old.
    assert scores["mean_absolute_error"] == pytest.approx((7 * 0.07 + 3 * 0.14) / 10, rel=1e-3)
    scaled = scores["mean_absolute_error"] / 0.07
    assert scores["mean_absolute_scaled_error"] == pytest.approx(scaled, rel=1e-3)
    truth = made["target"] * task.learnt.units[""].deviation + task.learnt.units[""].mean
    answer = found[:, :10] * task.learnt.units[""].deviation + task.learnt.units[""].mean
    apart = 2 * np.abs(answer - truth) / (np.abs(answer) + np.abs(truth))
    assert scores["smape"] == pytest.approx(apart.mean(), rel=1e-3)
    report = task.report(found, made["target"])
    ahead = [each["mean_absolute_error"] for each in report["by_step"]]
    assert ahead == pytest.approx([0.07] * 7 + [0.14] * 3, rel=1e-2)


def test_the_codec_stands_alone(opened):
    view = opened({"day": days(120), "sold": weekly(120), "rain": weekly(120), "split": parts(120)})
    task = learned(view, target="sold")
    back = TimeSeriesForecasting.from_json(json.loads(json.dumps(task.to_json())))
    assert back.shape == task.shape
    one, other = (windows(t, view, "test") for t in (task, back))
    assert all(np.array_equal(one[name], other[name]) for name in one)


# Splits


def test_training_splits_in_time(lake, opened):
    view = opened({"day": days(100), "sold": weekly(100)})
    fit = guess(facts(view), task=TASK)
    bare = lake.commit("sold", view.arrow("SELECT day, sold FROM rows"), op="test")
    made = ensure_split(lake, bare, **TimeSeriesForecasting.split_way(fit.inputs))
    with lake.open(made) as split_view:
        marks = [m for (m,) in split_view.sql("SELECT split FROM rows ORDER BY day")]
    assert [marks.index(part) for part in ("train", "validation", "test")] == [0, 80, 90]
    assert sum(one != other for one, other in pairwise(marks)) == 2
    kept = lake.commit(
        "kept", view.arrow("SELECT day, sold, 'train' AS split FROM rows"), op="test"
    )
    with lake.open(ensure_split(lake, kept, time="day")) as split_view:
        assert split_view.sql("SELECT min(day) FROM rows WHERE split = 'validation'") == [
            (days(100)[90],)
        ]


def test_a_split_at_random_is_refused(lake, opened):
    view = opened({"day": days(100), "sold": weekly(100)})
    bare = lake.commit("sold", view.arrow("SELECT day, sold FROM rows"), op="test")
    said = r"the split mixes times: \d+ of the 20 rows"
    with (
        lake.open(split(lake, bare, random=True)) as mixed,
        pytest.raises(UsageError, match=said) as told,
    ):
        learned(mixed)
    assert told.value.hint == "Split it in time: lepton data split sold --time day"


# What is told when it cannot be


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (
            {"day": days(20), "sold": weekly(20)},
            {"context": 18},
            "the series is too short: 20 steps",
        ),
        ({"day": days(8), "sold": weekly(8)}, {}, "8 different times, too few"),
        ({"day": days(40), "sold": [3.0] * 40}, {}, "one value in all rows"),
        ({"day": days(40), "sold": [None] * 39 + [1.0]}, {}, "one value in all rows"),
        (
            {
                "day": [FIRST + dt.timedelta(days=at * at * at) for at in range(40)],
                "sold": weekly(40),
            },
            {},
            "too uneven",
        ),
        ({"day": days(60), "sold": weekly(60)}, {"context": 3, "season": 7}, "at least that"),
        ({"day": days(60), "sold": weekly(60)}, {"series": "sold"}, "series=sold cannot be"),
        ({"day": days(60), "sold": weekly(60)}, {"series": "shop"}, 'no column "shop"'),
        ({"day": days(60), "sold": weekly(60)}, {"horison": 3}, 'no option "horison"'),
    ],
)
def test_what_cannot_be_is_told(opened, columns, options, said):
    view = opened(columns)
    with pytest.raises(LeptonError, match=said):
        learned(view, None, **options)


def test_a_horizon_longer_than_the_judging_rows_is_refused(opened):
    view = opened({"day": days(120), "sold": weekly(120), "split": parts(120, test=6)})
    with pytest.raises(UsageError, match=r"horizon=7 cannot be: .* over 6 steps"):
        learned(view, horizon=7)
    assert learned(view).horizon == 6


def test_a_series_that_is_too_short_to_judge_is_named(opened):
    view = opened({"day": days(120), "sold": weekly(120), "split": parts(120)})
    task = learned(view, context=10, horizon=5)
    short = opened({"day": days(12), "sold": weekly(12), "split": ["test"] * 12})
    left_out = LeftOut()
    assert not list(task.examples(task.read(short, "test", 50), left_out))
    assert left_out.unreadable[0].why == "the series has 12 steps: 10 are read, to tell 5 more"


def test_a_past_too_short_to_be_answered_is_the_fault_of_who_asks(opened):
    view = opened({"day": days(120), "sold": weekly(120), "split": parts(120)})
    task = learned(view, context=10, horizon=5)
    with pytest.raises(UsageError, match="the series has 3 steps: 10 are read") as told:
        task.encode([{"day": days(3), "sold": weekly(3)}], target=False)
    assert told.value.hint == "Give 10 steps of the past, or more."
    enough = [{"day": days(10), "sold": weekly(10)}]
    assert len(task.encode(enough, target=False)["past"]) == 1


def test_a_name_that_is_neither_a_file_nor_a_data_set_names_the_nearest(opened, tmp_path):
    view = opened({"day": days(60), "sold": weekly(60), "split": parts(60, 7, 7)})
    workspace = Workspace.open(tmp_path / "home")
    lake = Lake(workspace)
    lake.commit("sales", view.arrow("SELECT day, sold FROM rows"), op="test")
    task = learned(view, context=10, horizon=5)
    with pytest.raises(UsageError, match='neither a file nor a data set "sale@1"') as told:
        read_inputs(workspace, task, ["sale@1"])
    assert told.value.hint == 'Did you mean "sales"?'
    (row,) = read_inputs(workspace, task, ["sales"])
    assert row.values["sold"][-1] == weekly(60)[-1]


# Whole


def test_it_tells_unseen_months_better_than_the_week_before(tmp_path):
    workspace = Workspace.open(tmp_path / "home")
    version = ingest(workspace, str(CHICAGO), "chicago").version
    asked = {
        "dataset": "chicago",
        "task": TASK,
        "target": "ridership",
        "epochs": 3,
        "lr": 5e-3,
        "layers": 1,
        "horizon": 14,
        "threads": 1,
    }
    told = rehearse(workspace, TrainConfig.from_mapping(asked))
    assert told.settings["options"]["horizon"] == 14
    run = start_training(workspace, asked)
    state = run.wait(DEADLINE)
    assert state.state == "finished", run.log_tail()
    report = evaluate_model(workspace, "chicago_tsmixer")
    name = TimeSeriesForecasting.metric
    assert report.metrics[name] < 0.93 * report.baseline[name]
    assert report.metrics["root_mean_squared_error"] < (
        0.93 * report.baseline["root_mean_squared_error"]
    )
    assert [each["step"] for each in report.details["by_step"]] == list(range(1, 15))
    assert not report.notes
    assert "## Errors by step ahead" in to_markdown(report)

    # A file, the data set as a whole, and its last row: the same question.
    task = task_of(Models(workspace).get("chicago_tsmixer"))
    engine = Engine(workspace, "cpu")
    asked_for = [str(CHICAGO), "chicago@1", f"chicago@1#{version.rows - 1}"]
    found = []
    for each in asked_for:
        (row,) = read_inputs(workspace, task, [each])
        (answer,) = engine.predict("chicago_tsmixer", [row])
        assert answer.ok, answer.error
        found.append(answer.output)
    assert found[0]["times"][0] == "2016-08-29"
    assert len(found[0]["values"]) == len(found[0]["times"]) == 14
    for output in found[1:]:
        assert output["times"] == found[0]["times"]
        assert output["values"] == pytest.approx(found[0]["values"], abs=1e-3)
    row, again = read_inputs(workspace, task, ["chicago#5000,5000"])
    assert again == row
    with Lake(workspace).open("chicago") as view:
        following = [
            v for (v,) in view.sql("SELECT ridership FROM rows WHERE _rid > 5000 LIMIT 14")
        ]
    assert row.truth == {"values": following}
    short = [{name: row.values[name][at] for name in task.columns} for at in range(3)]
    (few,) = read_inputs(workspace, task, short)
    (answer,) = engine.predict("chicago_tsmixer", [few])
    assert str(answer.error).startswith("the series has 3 steps: 28 are read, to tell 14 more")
