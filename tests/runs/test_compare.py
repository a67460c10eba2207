"""Runs side by side, and the shape of a loss seen from a few places."""

from __future__ import annotations

import json
import math
import os

import pytest

from core.runs.compare import compare, lower_is_better, settings
from core.runs.events import EventWriter
from core.runs.glimpse import PLACES, _rounded, glimpse
from core.runs.run import Run
from core.runs.store import Runs


def reached(runs: Runs, spec: dict, **metrics: float) -> Run:
    run = runs.create("train", {"dataset": "d", **spec})
    with EventWriter(run.events_path) as events:
        events.write("state", state="running", pid=1)
        events.write("epoch", epoch=1, step=10, metrics=metrics)
    return run


def test_metrics_of_all_and_settings_that_differ(runs: Runs) -> None:
    first = reached(runs, {"lr": 0.1, "name": "a"}, **{"val/loss": 0.5, "val/accuracy": 0.8})
    other = reached(runs, {"lr": 0.2, "name": "b", "options": {"width": 8}}, **{"val/loss": 0.4})
    third = reached(runs, {"lr": 0.1}, **{"val/loss": math.nan, "val/accuracy": 0.8})
    found = compare([first, other, third])
    assert [run.id for run in found.runs] == [first.id, other.id, third.id]
    assert found.metrics["val/accuracy"] == (0.8, None, 0.8)
    assert found.settings == {"lr": (0.1, 0.2, 0.1), "options.width": (None, 8, None)}
    assert found.same == 1
    assert found.best("val/loss") == {1}
    assert found.best("val/accuracy") == frozenset()
    told = json.loads(json.dumps(found.to_json()))
    assert told["settings"]["lr"] == {first.id: 0.1, other.id: 0.2, third.id: 0.1}


def test_settings_are_those_that_were_resolved(runs: Runs) -> None:
    run = reached(runs, {"lr": None})
    (run.artifacts / "config.json").write_text('{"lr": 0.3, "options": {"width": 4}}')
    assert settings(run) == {"lr": 0.3, "options.width": 4}
    (run.artifacts / "config.json").write_text('{"lr": 0.')
    assert settings(run) == {"dataset": "d", "lr": None}


@pytest.mark.parametrize("name", ["loss", "val/loss", "mean_squared_error", "wer", "test/cer"])
def test_less_is_better(name: str) -> None:
    assert lower_is_better(name)
    assert not lower_is_better("val/accuracy")
    assert not lower_is_better("answer_f1")


def test_the_shape_of_a_loss_from_a_short_log_and_a_long_one(runs: Runs) -> None:
    run = runs.create("train", {})
    assert glimpse(run.events_path) == ()
    with EventWriter(run.events_path) as events:
        for step in range(1, 4):
            events.write("step", step=step, loss=1.0 / step)
    assert glimpse(run.events_path) == (1.0, 1 / 2, 1 / 3)
    with EventWriter(run.events_path) as events:
        for step in range(4, 6001):
            events.write("step", step=step, loss=1.0 / step)
            if step % 100 == 0:
                events.write("epoch", epoch=step // 100, step=step, metrics={"loss": 7.0})
    shape = glimpse(run.events_path)
    assert len(shape) == PLACES
    assert list(shape) == sorted(shape, reverse=True)
    assert shape[0] > 0.4
    assert shape[-1] == pytest.approx(1 / 5750, rel=0.1)


def test_a_log_is_looked_at_again_when_it_has_grown(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.create("train", {})
    with EventWriter(run.events_path) as events:
        for step in range(1, 6001):
            events.write("step", step=step, loss=1.0)
        # One step more must not be the one with which it counts as grown.
        while _rounded(size := run.events_path.stat().st_size) != _rounded(size + 1000):
            events.write("step", step=6001, loss=1.0)
        glimpse(run.events_path)
        monkeypatch.setattr(os, "pread", None)
        events.write("step", step=6001, loss=1.0)
        assert len(glimpse(run.events_path)) == PLACES
        for step in range(6002, 7000):
            events.write("step", step=step, loss=1.0)
        with pytest.raises(TypeError):
            glimpse(run.events_path)
