"""Versions on the Data screen: lineage, comparing, bringing back, tags, removing; by others too."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest
from textual.pilot import Pilot

from core.data.lake.lake import Lake
from core.data.sources import import_source
from core.data.splitting.split import split
from lepton_tui.app import LeptonApp
from screens.data import screen as data_screen
from screens.data.versions import version_words
from screens.listing import LineList
from tests.screens.golden import screen_text
from tests.screens.trips import ROWS, enter, table, turn_to
from tests.screens.walk import make_model, until


@pytest.fixture
def history(lake: Lake) -> Lake:
    """Two of the rows with other ages, and a split, after the import."""
    steps = [{"step": {"do": "fill", "columns": ["age"]}, "did": {"cells filled": 2}}]
    rows = pa.table({"_rid": [0, 3], "id": [0, 3], "age": [5, 7], "kind": ["a", "b"]})
    lake.commit("trips", rows, op="clean", params={"steps": steps}, parents=["trips@1"])
    split(lake, "trips", validation=0, test=0.5, random=True)
    return lake


def app(lake: Lake) -> LeptonApp:
    return LeptonApp(lake.workspace)


async def versions(pilot: Pilot[None]) -> None:
    await enter(pilot, "versions", "trips@3")
    await until(pilot, " import ")
    await until(pilot, "trips@3  2 rows")


async def test_a_version_tells_its_step_its_parents_and_its_readers(history: Lake) -> None:
    make_model(history.workspace, "trips_mlp", dataset="trips", dataset_version=2)
    async with app(history).run_test(size=(80, 24)) as pilot:
        await versions(pilot)
        shown = screen_text(pilot.app)
        assert "@3 split 50/0/50" in shown and "from trips@2" in shown
        await pilot.press("down")
        shown = await until(pilot, "trips@2  2 rows")
        assert "@2 clean: fill" in shown
        assert "fill columns=age: 2 cells filled" in shown
        assert "into trips@3" in shown and "from trips@1" in shown
        assert "trained model trips_mlp@1" in shown
        await pilot.press("y")
        await until(pilot, "lepton data lineage trips@2")


async def test_how_old_versions_are_goes_on_and_only_that_is_drawn(
    history: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_screen, "AGE_SECONDS", 0.05)
    async with app(history).run_test(size=(80, 24)) as pilot:
        await versions(pilot)
        await until(pilot, "just now")
        drawn: list[int] = []
        lines = pilot.app.screen.query_one("#history", LineList)
        draw = lines.draw
        lines.draw = lambda line: (drawn.append(1), draw(line))[1]  # type: ignore[method-assign]
        asked = []
        real = version_words.relative_time
        later = time.time() + 3600

        def in_an_hour(then: str) -> str:
            asked.append(then)
            return real(then, later)

        monkeypatch.setattr(version_words, "relative_time", in_an_hour)
        await until(pilot, "1 h ago")
        assert len(drawn) == 3, "each of the three, once"
        seen = len(asked)
        await until(pilot, lambda: len(asked) > seen + 30)
        assert len(drawn) == 3, "nothing changed, and nothing is drawn"


async def test_two_versions_are_compared(history: Lake) -> None:
    async with app(history).run_test(size=(80, 24)) as pilot:
        await versions(pilot)
        await pilot.press("down", "d")
        shown = await until(pilot, "0 added · 1,998 removed · 2 changed")
        assert "trips@1 → trips@2" in shown
        assert "- column city" in shown and "changed cells: age 2" in shown
        await pilot.press("o", *"id", "enter")
        await until(pilot, "Rows are told by id.")
        await pilot.press("y")
        await until(pilot, "lepton data diff trips@1 trips@2 --on id")
        await pilot.press("escape", "escape", "down", "m")
        await until(pilot, "◆@1 import")
        await pilot.press("up", "up", "d")
        await until(pilot, "trips@1 → trips@3")
        await pilot.press("escape", "down", "down", "m", "d")
        assert "→" not in screen_text(pilot.app), "nothing is before the first"


async def test_an_earlier_version_is_looked_at_and_brought_back(history: Lake) -> None:
    async with app(history).run_test(size=(100, 30)) as pilot:
        await versions(pilot)
        await pilot.press("down", "down", "enter")
        await until(pilot, "trips@1 (newest is @3)")
        await until(pilot, lambda: table(pilot).row_count == ROWS)
        await pilot.press("y")
        await until(pilot, "lepton data rows trips@1")
        await pilot.press("escape")
        await turn_to(pilot, "versions")
        await until(pilot, "trips@1  2,000 rows")
        await pilot.press("b")
        await until(pilot, "trips@4")
    assert history.version("trips").rows == ROWS


async def test_a_version_is_tagged_and_its_tag_taken_off(history: Lake) -> None:
    async with app(history).run_test(size=(80, 24), notifications=True) as pilot:
        await versions(pilot)
        await pilot.press("down", "n", *"best one", "enter")
        await until(pilot, '"best one" cannot be a name')
        await pilot.press("n", *"best", "enter")
        await until(pilot, "@2 #best clean")
        await pilot.press("u")
        await until(pilot, lambda: "#best" not in screen_text(pilot.app))
    assert history.version("trips@2").tags == ()


async def test_a_version_goes_once_it_is_said_who_needs_it(history: Lake) -> None:
    history.tag("trips@2", "best")
    async with app(history).run_test(size=(80, 24)) as pilot:
        await versions(pilot)
        await pilot.press("down", "D")
        await until(pilot, 'the tag "best" is on trips@2')
        await pilot.press("n", "D")
        await until(pilot, "Remove trips@2?")
        await pilot.press("y")
        await until(pilot, lambda: [v.n for v in history.versions("trips")] == [3, 1])
        await until(pilot, lambda: "@2 #best" not in screen_text(pilot.app))


async def test_old_versions_are_shown_before_they_go(history: Lake) -> None:
    history.tag("trips@1", "raw")
    async with app(history).run_test(size=(80, 24), notifications=True) as pilot:
        await versions(pilot)
        await pilot.press("g")
        await until(pilot, "0 versions")
        await pilot.press("tab", *["backspace"] * 3, *"soon")
        await until(pilot, '✗ "soon" is no length of time')
        await pilot.press("ctrl+u")
        await until(pilot, "1 version,")
        await pilot.press("ctrl+y")
        await until(pilot, "lepton data gc --keep 1")
        await pilot.press("escape", "enter")
        await until(pilot, "Remove 1 old version?")
        await pilot.press("y")
        await until(pilot, "Freed")
    assert [version.n for version in history.versions("trips")] == [3, 1]


async def test_what_others_remove_is_told_and_left(
    history: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_screen, "LOOK_SECONDS", 0.05)
    history.commit("zebras", pa.table({"a": [1]}), op="import")
    async with app(history).run_test(size=(100, 30), notifications=True) as pilot:
        await versions(pilot)
        await pilot.press("down", "down", "enter")
        await until(pilot, "trips@1 (newest is @3)")
        history.remove("trips@1")
        await until(pilot, "Somebody removed trips@1.")
        await until(pilot, "trips@3  ")
        history.commit("another", pa.table({"a": [1]}), op="import")
        await until(pilot, "another")
        history.remove("trips")
        await until(pilot, "Somebody removed trips.")
        await until(pilot, "another@1")


async def test_a_data_set_is_removed_once_it_is_said_who_needs_it(history: Lake) -> None:
    make_model(history.workspace, "trips_mlp", dataset="trips", dataset_version=3)
    async with app(history).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot, seen="trips@3")
        await pilot.press("x")
        await until(pilot, "the model trips_mlp@1 was trained on trips@3")
        await pilot.press("y")
        shown = await until(pilot, "No data set yet.")
        assert "Somebody" not in shown
    assert history.datasets() == []


async def test_what_an_import_left_out_is_looked_at(lake: Lake, tmp_path: Path) -> None:
    lines = [f"{n},{n % 7}" for n in range(40)]
    lines[20] = "20,2,[red]more[/]"
    (file := tmp_path / "few.csv").write_text("\n".join(["id,n", *lines]) + "\n")
    import_source(lake, file, "few")
    split(lake, "few", random=True)
    async with app(lake).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot, seen="few@2")
        await pilot.press("r")
        await until(pilot, "1 row left out of few@1")
        await until(pilot, "line 22")
        await pilot.press("enter")
        await until(pilot, "[red]more[/]")
        await pilot.press("escape", "escape", "escape", "down", "enter", "r")
        await until(pilot, "Nothing was left out")
