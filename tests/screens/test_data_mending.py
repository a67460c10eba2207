"""The Check and the Clean tab: what is wrong, the rules, and a recipe that makes it right."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from textual.widgets import OptionList

from core.data.cleaning.preview import Preview, preview
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.lake.view import View
from core.data.quality.rule_file import rules_path
from lepton_tui.app import LeptonApp
from screens.data.check import history_view, quality_words
from screens.data.clean import previewer
from screens.text import relative_time
from tests.screens.golden import golden, screen_text
from tests.screens.trips import enter, turn_to, type_in
from tests.screens.walk import make_model, until


def app(lake: Lake) -> LeptonApp:
    return LeptonApp(lake.workspace)


async def test_a_finding_shows_its_rows_and_offers_a_step(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check")
        shown = await until(pilot, "age: 10.0% of the values are missing")
        assert "score " in shown
        options = pilot.app.screen.query_one("#findings")
        for _ in range(10):
            if "fill columns=age" in screen_text(pilot.app):
                break
            await pilot.press("down")
            await pilot.pause()
        assert "m mends: fill columns=age" in screen_text(pilot.app)
        assert options.has_focus
        await pilot.press("enter")
        await until(pilot, "200 of 2,000 rows")
        await turn_to(pilot, "check")
        await pilot.press("m")
        await until(pilot, "200 rows changed")


async def test_findings_of_very_many_columns_are_told_in_short(lake: Lake) -> None:
    cells = {f"c{n}": [None, *(row % 5 for row in range(30))] for n in range(40)}
    lake.commit("many", pa.table(cells), op="import")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check", "many@1")
        await until(pilot, "c0: 3.2% of the values are missing")
        findings = pilot.app.screen.query_one("#findings", OptionList)
        assert findings.option_count < 20
        await pilot.press("end")
        await until(pilot, "m mends all of them: fill 30 columns with=median")
        # Where there is less room, the one at the cursor stays in sight.
        await pilot.resize_terminal(80, 14)
        await pilot.pause()
        assert "missing 30 times more: c10, c11" in screen_text(pilot.app)
        await pilot.press("enter")
        await until(pilot, "c12: 3.2% of the values are missing")
        await pilot.press("escape", "m")
        await until(pilot, "fill  columns=c10,c11")
        await until(pilot, "1 row changed")


async def test_the_history_grows_older_while_it_is_open(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_view, "AGE_SECONDS", 0.05)
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check")
        await until(pilot, "score ")
        await pilot.press("h")
        await until(pilot, "just now")
        later = time.time() + 3 * 3600
        monkeypatch.setattr(quality_words, "relative_time", lambda then: relative_time(then, later))
        await until(pilot, "3 h ago")


async def test_a_look_at_a_step_can_be_stopped(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()

    def endless(
        lake: Lake, view: View, recipe: Recipe, *, should_stop: Callable[[], bool]
    ) -> Preview:
        began.set()
        with contextlib.suppress(duckdb.InterruptException):
            view.sql("SELECT count(*) FROM range(10000000) a, range(10000000) b")
        return preview(lake, view, recipe, should_stop=should_stop)

    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check")
        await until(pilot, "age: 10.0% of the values are missing")
        with monkeypatch.context() as patch:
            patch.setattr(previewer, "preview", endless)
            await pilot.press("M")
            await until(pilot, "looking… esc stops")
            await until(pilot, began.is_set)
            await pilot.press("escape")
            await until(pilot, "stopped; a step that is moved to")
        await pilot.press("up")
        await until(pilot, "rows changed")


@pytest.mark.slow
async def test_a_recipe_is_built_previewed_run_and_taken_back(lake: Lake, tmp_path: Path) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "clean")
        await until(pilot, "No steps yet")
        await pilot.press("a")
        await until(pilot, "type to find")
        await pilot.press(*"fill", "enter")
        await until(pilot, "What to fill with")
        await pilot.press(*"agee", "enter")
        await until(pilot, "✗")
        # The wrong column is told by the preview; the step is mended where it stands.
        await pilot.press("enter")
        await until(pilot, "What to fill with")
        await pilot.press("backspace", "enter")
        await until(pilot, "200 rows changed")
        await golden(pilot, "data-clean", (80, 24))
        await pilot.press("w")
        await type_in(pilot, str(tmp_path / "recipe.toml"))
        await until(pilot, "saved to")
        await pilot.press("r")
        await until(pilot, "trips@2")
        await until(pilot, "u takes it back")
        with lake.open("trips@2") as view:
            assert view.sql("SELECT count(*) FROM rows WHERE age IS NULL") == [(0,)]
        await pilot.press("u")
        await until(pilot, "taken back")
    with lake.open("trips") as view:
        assert view.sql("SELECT count(*) FROM rows WHERE age IS NULL") == [(200,)]
    assert 'do = "fill"' in (tmp_path / "recipe.toml").read_text()


async def test_every_step_that_mends_goes_into_the_recipe_once(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check")
        await until(pilot, "age: 10.0% of the values are missing")
        await pilot.press("M")
        await until(pilot, "fill  columns=age")
        steps = pilot.app.screen.query_one("#steps", OptionList).option_count
        await turn_to(pilot, "check")
        await pilot.press("M")
        await until(pilot, "fill  columns=age")
        assert pilot.app.screen.query_one("#steps", OptionList).option_count == steps > 1


async def test_a_check_is_stopped_begun_again_and_held_against_another_version(lake: Lake) -> None:
    later = {"id": [1], "age": [200], "city": ["Bern"], "comment": [""], "kind": ["a"]}
    lake.commit("later", pa.table({name: each * 60 for name, each in later.items()}), op="import")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "later@1")
        await pilot.press("down", "enter")
        await turn_to(pilot, "check")
        await pilot.press("escape")
        stopped = "stopped; r looks again"
        await until(
            pilot, lambda: any(told in screen_text(pilot.app) for told in (stopped, "score "))
        )
        await pilot.press("enter")
        if stopped in screen_text(pilot.app):
            await pilot.press("r")
        await until(pilot, "score ")
        await pilot.press("c", "ctrl+u", *"later@1", "enter")
        await until(pilot, "against later@1")
        await pilot.press("y")
        await until(pilot, "lepton data check trips --against later@1")
        await pilot.press("escape", "c", "ctrl+u", *"nowhere", "enter")
        assert "score " in await until(pilot, '✗ no data set "nowhere"'), "what was found stays"
        await pilot.press("ctrl+u", *"later", "enter")
        await until(pilot, "against later")
        await pilot.press("c", "ctrl+u", *"trips", "enter")
        alone = "score ", "against"
        await until(
            pilot, lambda: [words in screen_text(pilot.app) for words in alone] == [True, False]
        )
        await pilot.press("h")
        shown = await until(pilot, "rules failed")
        assert shown.count("trips@1") >= 3


async def test_rules_are_begun_in_an_editor_and_tried(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rules_path(lake.workspace, "trips")
    monkeypatch.setenv("EDITOR", "true")
    async with app(lake).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot, "check")
        await until(pilot, "score ")
        await pilot.press("u")
        await until(pilot, "There are no rules yet.")
        await pilot.press("e")
        # A terminal of a test cannot be lent; the file is there all the same, and is named.
        await until(pilot, "the terminal cannot be lent")
        assert file.read_text().startswith("# Rules for the data set trips")
        holds = '[[rule]]\ncheck = "range"\ncolumn = "age"\nmin = 0\nmax = 99\n'
        file.write_text(holds + holds.replace("99", "50"))
        await pilot.press("escape", "u")
        shown = await until(pilot, "1 of 2 hold in trips@1")
        assert "✓ 1 range: age from 0 to 99" in shown and "✗ 2 range: age from 0 to 50" in shown
        file.write_text("[[rule]]\ncheck = 'rang'\n")
        await pilot.press("escape", "u")
        await until(pilot, "✗ rule 1")
        file.write_text(holds.replace("99", "50"))
        await pilot.press("escape", "r")
        await until(pilot, "1 rule failed")


async def test_labels_are_doubted_by_a_model_in_a_process_of_its_own(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "check")
        await until(pilot, "score ")
        await pilot.press("d")
        await until(pilot, "There is no model that tells classes yet.")
        await pilot.press("escape")
        make_model(lake.workspace, "trips_mlp", dataset="trips", dataset_version=1)
        await pilot.press("d")
        await until(pilot, "trips_mlp@1  trips")
        await pilot.press("ctrl+s")
        await until(pilot, "doubting labels with trips_mlp@1")
        # This model is a folder without weights: the run fails, in words.
        await until(pilot, "✗ ")
        await pilot.press("r")
        await until(pilot, "score ")


@pytest.mark.slow
async def test_a_step_is_switched_off_moved_and_kept_from_running(
    lake: Lake, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[[step]]\ndo = "trim"\ncolumns = ["city"]\n'
        '[[step]]\ndo = "drop-columns"\ncolumns = ["comment"]\n'
        '[[step]]\ndo = "fill"\ncolumns = ["age"]\n'
    )
    async with app(lake).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot, "clean")
        await pilot.press("r")
        await until(pilot, "Nothing to run")
        await pilot.press("L")
        await type_in(pilot, str(recipe))
        await until(pilot, "200 rows changed")
        await pilot.press("up")
        await until(pilot, "- column comment")
        await pilot.press("space")
        await until(pilot, "This step is switched off")
        await pilot.press("K")
        await until(pilot, "1  drop-columns  columns=comment  off")
        await pilot.press("y")
        shown = await until(pilot, "The same in a shell")
        assert "drop-columns" not in shown.partition("The same in a shell")[2]
        await pilot.press("escape", "w")
        await type_in(pilot, str(recipe))
        await until(pilot, "The file is there already.")
        await pilot.press("y")
        await until(pilot, "saved to")
        assert "drop-columns" not in recipe.read_text()
        await pilot.press("r")
        await until(pilot, "trips@2")
        assert "1  drop-columns  columns=comment  off" in screen_text(pilot.app)
    assert "comment" in lake.version("trips").column_names


async def test_what_is_wrong_with_a_step_wraps_beside_its_mark(lake: Lake) -> None:
    async with app(lake).run_test(size=(56, 24)) as pilot:
        await enter(pilot, "clean")
        await pilot.press("a", *"fill", "enter")
        await until(pilot, "Columns to fill")
        await pilot.press(*"nosuch", "enter")
        shown = await until(pilot, "no column")
        (at,) = [n for n, line in enumerate(shown.splitlines()) if "✗ step 1" in line]
        head, *rest = [line[24:] for line in shown.splitlines()[at : at + 4]]
        assert head.lstrip().startswith("✗")
        indent = head.index("✗") + 2
        assert all(line[:indent].isspace() and line[indent:].strip() for line in rest), rest
