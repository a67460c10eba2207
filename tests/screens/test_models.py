"""The Models screen on model folders made by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.widgets import Input

from core.models.registry import Models
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.listing import LineList
from tests.screens.golden import golden
from tests.screens.walk import make_model, until

SIZES = [(80, 24), (120, 40)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


async def test_the_card_says_what_a_model_reads_and_answers(workspace: Workspace) -> None:
    make_model(workspace)
    async with LeptonApp(workspace).run_test(size=(120, 30)) as pilot:
        await pilot.press("6")
        shown = await until(pilot, "10 epochs, batch 32, lr 0.002, best in epoch 9")
        assert "species, one of 3: Adelie, Chinstrap, [b]Gentoo[/b]" in shown
        assert "bill, flipper, mass, depth, island (4 numbers, 1 category)" in shown
        assert re.search(r"val/accuracy +0.95 +0.44 +▲ better", shown)
        await pilot.press("y")
        await until(pilot, "lepton models show penguins_mlp@1")


async def test_a_model_that_appears_is_listed_and_moves_no_cursor(workspace: Workspace) -> None:
    make_model(workspace)
    async with LeptonApp(workspace).run_test(size=(120, 30)) as pilot:
        await pilot.press("6")
        await until(pilot, "penguins_mlp@1")
        make_model(workspace, "aardvarks")
        await until(pilot, "aardvarks@1")
        assert pilot.app.screen.query_one("#models", LineList).chosen == "penguins_mlp@1"


async def test_the_cursor_chooses_the_card(workspace: Workspace) -> None:
    make_model(workspace)
    make_model(
        workspace,
        "tweets_lstm",
        task="text-classification",
        shape={"kind": "tokens", "vocabulary": 5000, "length": 64, "outputs": 2},
        codec={"column": "text", "target": "mood", "labels": ["bad", "good"]},
        training={},
    )
    make_model(
        workspace,
        "digits_cnn",
        task="image-classification",
        shape={"kind": "image", "channels": 1, "height": 28, "width": 28, "outputs": 10},
        codec={"column": "image", "target": "label", "labels": [str(n) for n in range(10)]},
        training={},
    )
    async with LeptonApp(workspace).run_test(size=(120, 30)) as pilot:
        await pilot.press("6")
        await until(pilot, "image, 28 x 28 in grey")
        await until(pilot, "label, one of 10: 0, 1, 2, 3, 4, 5, 6, 7, …")
        await pilot.press("down", "down")
        await until(pilot, "text, 5,000 words, the first 64 of a text")
        await pilot.click("#models", offset=(4, 2))  # a click only points
        await until(pilot, "4 numbers, 1 category")


async def test_it_leads_to_trying_judging_and_serving(workspace: Workspace) -> None:
    make_model(workspace)
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("6")
        await until(pilot, "tabular-classification")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "infer")
        await pilot.press("6")
        await until(pilot, lambda: pilot.app.current_mode == "models")
        await pilot.press("e")
        await until(pilot, "Not evaluated yet")
        await pilot.press("6")
        await until(pilot, lambda: pilot.app.current_mode == "models")
        await pilot.press("s")
        await until(pilot, "Start a service")
        assert pilot.app.screen.query_one("#models", Input).value == "penguins_mlp"


async def test_a_model_is_removed_after_a_question(workspace: Workspace) -> None:
    make_model(workspace)
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("6")
        await until(pilot, "tabular-classification")
        await pilot.press("x")
        await until(pilot, "Remove the model penguins_mlp@1?")
        await pilot.press("n")
        await pilot.press("x")
        await until(pilot, "Remove the model penguins_mlp@1?")
        await pilot.press("y")
        await until(pilot, "No model yet")
    assert Models(workspace).list() == []


@pytest.mark.parametrize("size", SIZES)
async def test_golden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: tuple[int, int]
) -> None:
    # The card shows the folder: a relative one is the same on every machine.
    monkeypatch.chdir(tmp_path)
    Workspace.open("home")
    workspace = Workspace(Path("home"))
    make_model(workspace)
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("6")
        await until(pilot, "tabular-classification")
        await golden(pilot, "models", size)
