"""Splitting and exporting on the Data screen: what is asked, what it comes to, what is told."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from textual.widgets import Input, Select

from core.data.lake.lake import Lake
from core.data.splitting.split import planned
from lepton_tui.app import LeptonApp
from screens.data.forms.splitting import Planner, SplitRequest
from tests.screens.golden import golden, screen_text
from tests.screens.trips import ROWS, enter, turn_to, type_in
from tests.screens.walk import until


def app(lake: Lake) -> LeptonApp:
    return LeptonApp(lake.workspace)


def unframed(shown: str) -> str:
    """The words on a screen, without the frames between them."""
    return " ".join(shown.replace("│", " ").split())


async def test_a_split_is_counted_made_and_held_to_be_sound(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("s")
        await until(pilot, "train 1,600 80.0 %   validation 200 10.0 %   test 200 10.0 %")
        await golden(pilot, "data-split", (80, 24))
        await pilot.press("y")
        command = "lepton data split trips@1 --by kind --validation 0.1 --test 0.1 --seed 0"
        assert command in unframed(await until(pilot, "The same in a shell"))
        await pilot.press("escape", *["tab"] * 3, *["backspace"] * 3, *"0.25")
        await until(pilot, "test 500 25.0 %")
        await pilot.press("backspace", "x")
        await until(pilot, "✗ Test is a share, such as 0.1")
        await pilot.press("ctrl+s")
        assert "Split trips@1" in screen_text(pilot.app)
        await pilot.press("backspace", "5", "enter")
        await until(pilot, "✓ No row is equal or nearly equal to one of another part.")
        await pilot.press("enter")
        await until(pilot, "trips@2")
    made = lake.version("trips")
    assert made.params["rows"] == {"train": 1300, "validation": 200, "test": 500}


async def test_every_way_to_split_asks_for_what_it_needs(lake: Lake) -> None:
    wanted = {
        "random": "--validation 0.1 --test 0.1 --seed 0 --random",
        "group": "--group city --by kind --validation 0.3 --test 0.1 --seed 0",
        "time": "--time id --validation 0.3 --test 0.1",
        "hash": "--hash _rid --validation 0.3 --test 0.1 --seed 0",
        "folds": "--folds 3 --group city --by kind --seed 0",
    }
    chosen = {"group": "city", "time": "id", "hash": "_rid"}
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("s")
        await until(pilot, "train 1,600")
        form = pilot.app.screen
        for way, command in wanted.items():
            form.query_one("#way", Select).value = way
            if way in chosen:
                await until(pilot, "Choose the column")
                form.query_one(f"#{way}", Select).value = chosen[way]
            form.query_one("#folds").value = "3"  # type: ignore[attr-defined]
            await until(pilot, "fold 0" if way == "folds" else "train ")
            form.query_one("#validation").value = "0.3"  # type: ignore[attr-defined]
            if way != "random":
                await pilot.press("ctrl+y")
                shown = unframed(await until(pilot, "The same in a shell"))
                assert f"lepton data split trips@1 {command}" in shown, way
                await pilot.press("escape")
    assert [version.n for version in lake.versions("trips")] == [1]


async def test_a_column_of_too_many_values_is_told_to_be_no_classes(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("s")
        await until(pilot, "train 1,600")
        pilot.app.screen.query_one("#by", Select).value = "id"
        await until(pilot, "id has too many values for classes: no shares are kept.")


async def test_rows_that_train_for_want_of_a_time_are_told(lake: Lake) -> None:
    told = 'rows have no time in "age": they are training rows'
    async with app(lake).run_test(size=(130, 40)) as pilot:
        await enter(pilot)
        await pilot.press("s")
        await until(pilot, "train 1,600")
        form = pilot.app.screen
        form.query_one("#way", Select).value = "time"
        form.query_one("#time", Select).value = "age"
        assert f"! 200 {told}" in unframed(await until(pilot, "200 rows have"))
        await pilot.press("ctrl+s")
        await until(pilot, "✓ trips@2")
        assert f"! 200 {told}" in unframed(screen_text(pilot.app))
        await until(pilot, "esc closes")
        await pilot.press("escape")
        await turn_to(pilot, "versions")
        assert told in unframed(await until(pilot, "trips@2  2,000 rows"))


async def test_a_split_that_cannot_be_is_mended_where_it_was_asked_for(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("s")
        await until(pilot, "train 1,600")
        form = pilot.app.screen
        form.query_one("#way", Select).value = "group"
        form.query_one("#group", Select).value = "kind"
        await until(pilot, '✗ column "kind" has too few groups')
        await pilot.press("ctrl+s")
        assert pilot.app.screen is form
        form.query_one("#group", Select).value = "city"
        await until(pilot, lambda: "✗" not in screen_text(pilot.app))
        form.query_one("#way", Select).value = "folds"
        form.query_one("#folds", Input).value = ""
        form.query_one("#fold", Input).value = "1"
        # The field is named as it is here, not as in a shell.
        assert "--" not in await until(pilot, "Name Folds too.")


async def test_what_was_wrong_with_an_export_is_gone_with_it(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("e", *"a.foo", "enter")
        assert "Name one with Format: csv" in unframed(await until(pilot, "✗ the ending"))
        await pilot.press("backspace")
        assert "✗" not in screen_text(pilot.app)


async def test_rows_that_leak_are_told_and_looked_at(lake: Lake) -> None:
    twins = {"x": [n // 2 for n in range(200)], "kind": ["ab"[n % 2] for n in range(200)]}
    lake.commit("twins", pa.table(twins), op="import", target="kind")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "trips@1")
        await pilot.press("down")
        await until(pilot, "twins@1")
        await pilot.press("s")
        await until(pilot, "train 160")
        await pilot.press("ctrl+s")
        await until(pilot, "equal to a row of another split")
        await pilot.press("c")
        await until(pilot, "twins@2")
        await until(pilot, "score ")
        assert "m mends: drop-duplicates" in await until(pilot, "enter shows the rows")


def test_the_newest_wish_is_planned_and_remembered(lake: Lake) -> None:
    planner = Planner(lake)
    asked = SplitRequest("trips@1", {"test": 0.5})
    plan = planner.plan(asked)
    assert plan.counts == planned(lake, "trips", test=0.5).counts
    assert planner.plan(asked) is plan
    assert planner.plan(SplitRequest("trips@1", {"test": 0.1})) is not plan


async def test_an_export_is_asked_for_written_and_replaced(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    async with app(lake).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot)
        await pilot.press("e")
        await until(pilot, "Export trips@1")
        await golden(pilot, "data-export", (80, 24))
        await type_in(pilot, str(tmp_path / "nowhere" / "out.csv"))
        await until(pilot, "✗ no such folder")
        await pilot.press("ctrl+u")
        await pilot.press(*str(file), "tab", "tab", *"id,cty", "enter")
        await until(pilot, '✗ no column "cty"')
        assert not file.exists()
        await pilot.press("backspace", "backspace", *"ity", "ctrl+y")
        await until(pilot, "--columns id,city")
        await pilot.press("escape", "enter")
        await until(pilot, "2,000 rows written")
        assert file.read_text().splitlines()[:2] == ["id,city", "0,Bern"]
        file.write_text("kept")
        await pilot.press("e")
        await type_in(pilot, str(file))
        await until(pilot, "The file is there already.")
        await pilot.press("n")
        assert file.read_text() == "kept"
        await pilot.press("ctrl+s", "y")
        await until(pilot, lambda: len(file.read_text().splitlines()) == ROWS + 1)


async def test_an_export_is_stopped_by_escape(lake: Lake, tmp_path: Path) -> None:
    many = {"n": list(range(500_000))}
    lake.commit("many", pa.table(many), op="import")
    (out := tmp_path / "out").mkdir()
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "many@1")
        await pilot.press("e")
        await type_in(pilot, str(out / "many.xlsx"))
        await until(pilot, "of 500,000 rows")
        await pilot.press("escape")
        await until(pilot, "stopped; nothing was written")
        assert list(out.iterdir()) == []
        await pilot.press("escape")
        await until(pilot, lambda: "Export many" not in screen_text(pilot.app))


def test_a_command_says_what_the_form_does() -> None:
    asked = SplitRequest("a b@1", {"random": True, "test": 0.2, "seed": 3})
    assert asked.shell_command() == "lepton data split 'a b@1' --random --test 0.2 --seed 3"
