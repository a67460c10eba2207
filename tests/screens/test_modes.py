"""The screens as a person walks through them, on a real workspace."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from tests.screens.golden import golden, screen_text
from tests.screens.walk import FINISHED, make_model, make_run, training, until

SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace.open(tmp_path)
    rows = {
        "height": [10.5, 30.25, None, 12.0],
        "note": ["[bold]not markup[/bold]", "line\nbreak", "\x1b[31mred", "plain"],
        "kind": ["herb", "tree", "tree", "herb"],
    }
    Lake(found).commit("plants", pa.table(rows), op="import", target="kind", task="tabular")
    return found


@pytest.mark.parametrize("size", SIZES)
async def test_data(workspace: Workspace, size: tuple[int, int]) -> None:
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("2")
        await until(pilot, "[bold]not markup[/bold]")
        await golden(pilot, "data", size)


@pytest.mark.parametrize("size", SIZES)
async def test_home(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("screens.home.overview._machine", lambda _: "~/.lepton · 2 cores")
    make_model(workspace)
    make_run(workspace, "train-20200115-120000-aaaa", [*training(10), *FINISHED])
    make_run(workspace, "train-20200114-120000-bbbb", training(4))
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await until(pilot, "interrupted")
        await golden(pilot, "home", size)


@pytest.mark.parametrize("size", SIZES)
async def test_home_of_a_new_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("screens.home.overview._machine", lambda _: "~/.lepton · 2 cores")
    async with LeptonApp(Workspace.open(tmp_path)).run_test(size=size) as pilot:
        await until(pilot, "lepton demo")
        await golden(pilot, "home-empty", size)


@pytest.mark.parametrize("size", SIZES)
async def test_infer_without_a_model(workspace: Workspace, size: tuple[int, int]) -> None:
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("5")
        await until(pilot, "No model yet")
        await golden(pilot, "infer-empty", size)


@pytest.mark.parametrize("size", SIZES)
async def test_models_without_a_model(workspace: Workspace, size: tuple[int, int]) -> None:
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("6")
        await until(pilot, "No model yet")
        await golden(pilot, "models-empty", size)


async def test_home_leads_to_a_data_set(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await until(pilot, "plants")
        await pilot.press("enter")
        assert "plants@1" in await until(pilot, "3 columns")


async def test_the_command_and_the_keys_of_a_screen(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "plants@1")
        await pilot.press("y")
        await until(pilot, "lepton data rows plants")
        await pilot.press("escape", "enter", "question_mark")
        shown = await until(pilot, "Show rows that fulfil SQL")
        assert max(map(len, shown.splitlines())) <= 80
        await pilot.press("end")
        await until(pilot, "Everywhere")


async def test_the_tabs_profile_and_check_a_data_set(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "plants@1")
        await pilot.press("enter", "right_square_bracket", "right_square_bracket")
        await until(pilot, "25.0 %")
        await pilot.press("right_square_bracket")
        await until(pilot, "are missing")
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(pilot, "just now")


async def test_an_import_from_the_form(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "more.csv"
    source.write_text("a,label\n" + "".join(f"{n},{'xy'[n % 2]}\n" for n in range(30)))
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "plants@1")
        await pilot.press("i")
        await until(pilot, "Bring data in")
        await pilot.press(*str(source), "enter")
        await until(pilot, "more@1")
    assert Lake(workspace).version("more").task == "tabular-classification"


async def test_a_wrong_import_says_so_and_changes_nothing(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("2")
        await until(pilot, "plants@1")
        await pilot.press("i")
        await until(pilot, "Bring data in")
        await pilot.press(*"nowhere.csv", "enter")
        await until(pilot, "nowhere")
    assert [v.ref for v in Lake(workspace).datasets()] == ["plants@1"]


async def test_a_click_on_a_mode_goes_there(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        for mode, seen in (("Models", "No model yet"), ("Evaluate", "model"), ("Data", "plants@1")):
            await pilot.click("ModeBar", offset=(screen_text(pilot.app).index(mode), 0))
            await until(pilot, seen)
