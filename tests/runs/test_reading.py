"""What a long log came to is kept beside it, and never believed of another log."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs import reading
from core.runs.events import EventWriter
from core.runs.reading import KEPT_NAME, HistoryReader
from core.runs.run import Run
from core.runs.store import Runs


@pytest.fixture
def run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of a hundred steps, whose log counts as a long one."""
    monkeypatch.setattr(reading, "KEEP_AFTER", 1000)
    run = runs.create("train", {})
    with EventWriter(run.events_path) as events:
        events.write("state", state="running", pid=1)
        events.write("plan", steps=200)
        events.write("log", text='said "NaN"')
        for step in range(1, 101):
            events.write("step", step=step, epoch=1, loss=float("nan") if step == 7 else 1 / step)
        events.write("epoch", step=100, epoch=1, metrics={"val/loss": 0.25})
    return run


def said(reader: HistoryReader) -> tuple[object, ...]:
    told = reader.read_all()
    return told.to_json(), {name: each.points().mean.tolist() for name, each in told.series.items()}


def test_the_second_time_only_what_came_since_is_read(run: Run) -> None:
    first = HistoryReader(run)
    before = said(first)
    again = HistoryReader(run)
    assert again.offset == first.offset
    np.testing.assert_equal(said(again), before)
    with EventWriter(run.events_path) as events:
        events.write("step", step=101, epoch=2, loss=0.5)
    told = HistoryReader(run).read_all()
    assert (told.step, told.series["loss"].last, len(told.series["loss"])) == (101, 0.5, 101)


def test_a_short_log_is_read_as_quickly_and_leaves_nothing_beside_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "KEEP_AFTER", 1_000_000)
    HistoryReader(run).read_all()
    assert not (run.path / KEPT_NAME).exists()


@pytest.mark.parametrize("damage", ["cut", "other", "shorter", "empty"])
def test_what_was_kept_of_another_log_or_is_damaged_is_not_believed(run: Run, damage: str) -> None:
    HistoryReader(run).read_all()
    kept = run.path / KEPT_NAME
    match damage:
        case "cut":
            kept.write_bytes(kept.read_bytes()[:-100])
        case "empty":
            kept.write_bytes(b"")
        case "other":
            run.events_path.write_bytes(run.events_path.read_bytes().replace(b"0.25", b"0.75"))
        case "shorter":
            lines = run.events_path.read_bytes().splitlines(keepends=True)
            run.events_path.write_bytes(b"".join(lines[:50]))
    reader = HistoryReader(run)
    assert reader.offset == 0
    assert reader.read_all().step == (47 if damage == "shorter" else 100)


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reading.atomic, "write_bytes", full)
    assert HistoryReader(run).read_all().step == 100
    assert not (run.path / KEPT_NAME).exists()
