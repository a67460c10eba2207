"""The Train screen as a person uses it: real runs in real processes, and run folders by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.train import TrainScreen
from screens.train.form import StartForm
from screens.widgets.line_chart import LineChart
from tests.screens.golden import golden
from tests.screens.walk import (
    FAILED,
    FINISHED,
    PLAN,
    alive,
    make_run,
    step_event,
    tell,
    training,
    until,
)

SIZES = [(80, 24), (120, 40)]
ROWS = 90


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace.open(tmp_path)
    yield found
    for run in Runs(found).all():
        try:
            run.stop(now=True)
        except LeptonError:
            continue


@pytest.fixture
def penguins(workspace: Workspace) -> Workspace:
    kinds = ["Adelie", "Gentoo", "Chinstrap"]
    rows = {
        "bill": [38.0 + n % 3 * 5 + n / 100 for n in range(ROWS)],
        "mass": [3700.0 + n % 3 * 600 + n for n in range(ROWS)],
        "species": [kinds[n % 3] for n in range(ROWS)],
    }
    Lake(workspace).commit("penguins", pa.table(rows), op="import", target="species")
    return workspace


def chart(pilot: Pilot[None], name: str) -> LineChart:
    found = screen(pilot).live.charts.chart(name)
    assert found is not None
    return found


def screen(pilot: Pilot[None]) -> TrainScreen:
    found = pilot.app.screen
    assert isinstance(found, TrainScreen)
    return found


async def test_without_data_it_says_where_to_begin(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, "Press 2 to go to Data")
        await pilot.press("n")
        await until(pilot, "There is no data set")


@pytest.mark.slow
async def test_a_run_from_the_form_to_its_model(penguins: Workspace) -> None:
    torch_was_there = "torch" in sys.modules
    async with LeptonApp(penguins).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "tabular-classification: ")
        pilot.app.screen.query_one("#epochs", Input).focus()
        await pilot.press("4")
        await until(pilot, "lepton train penguins --model mlp --epochs 4")
        await pilot.press("enter")
        await until(pilot, "✓ made the model penguins_mlp@1")
        shown = await until(pilot, "✓ finished")
        assert "epoch 4/4" in shown
        assert set(chart(pilot, "loss").readings) == {"train/loss", "val/loss"}
        assert chart(pilot, "accuracy").readings["val/accuracy"] is not None
        shown = await until(pilot, "e Evaluate")
        assert "s Stop" not in shown
        assert ("torch" in sys.modules) == torch_was_there
        await pilot.press("e")
        await until(pilot, "Not evaluated yet")
    [run] = Runs(penguins).list()
    assert run.epochs == 4


async def test_wrong_values_are_said_at_their_fields(penguins: Workspace) -> None:
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "tabular-classification: ")
        form = pilot.app.screen
        for name, typed in (("epochs", "many"), ("lr", "-1"), ("name", "My model")):
            form.query_one(f"#{name}", Input).value = typed
        await pilot.press("ctrl+s")
        await until(pilot, "epochs must be a whole number")
        shown = await until(pilot, "lr must be a number above 0")
        assert '"my-model" would do' in shown
        assert form.focused is form.query_one("#epochs")
        form.query_one("#epochs", Input).value = "2"
        await pilot.press("ctrl+s")
        shown = await until(pilot, lambda: form.focused is form.query_one("#lr"))
        assert "epochs must be" not in shown
        await pilot.press("escape")
        await until(pilot, "Press n to start one")
    assert Runs(penguins).list() == []


async def test_a_task_that_does_not_suit_is_refused_in_words(penguins: Workspace) -> None:
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "tabular-classification: ")
        form = pilot.app.screen
        form.query_one("#task", Select).value = "image-classification"
        await until(pilot, "✗ image-classification needs")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert pilot.app.screen is form
        form.query_one("#task", Select).clear()
        await until(pilot, "tabular-classification: ")


async def test_another_target_changes_task_and_models(penguins: Workspace) -> None:
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "tabular-classification: ")
        pilot.app.screen.query_one("#target", Select).value = "mass"
        await until(pilot, "tabular-regression (guessed)")
        await until(pilot, "--target mass")


async def test_data_leads_to_the_form(penguins: Workspace) -> None:
    app = LeptonApp(penguins)
    async with app.run_test() as pilot:
        await pilot.press("3")
        app.visit("train", dataset="penguins")
        await until(pilot, lambda: isinstance(app.screen, StartForm))


async def test_a_run_is_stopped_and_resumed(workspace: Workspace) -> None:
    spec = {"do": "until_stopped"}
    run = Runs(workspace).create("train", spec, model="slow", entry="tests.runs.jobs")
    run.launch()
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("3")
        shown = await until(pilot, "s Stop")
        assert "r Resume" not in shown
        await until(pilot, "● running")
        await pilot.press("s")
        await until(pilot, "Stop slow?")
        await pilot.press("n")
        await pilot.press("s")
        await until(pilot, "Stop slow?")
        await pilot.press("y")
        await until(pilot, "■ stopped")
        shown = await until(pilot, "r Resume")
        assert "s Stop" not in shown
        await pilot.press("r")
        await until(pilot, "● running")
        await until(pilot, "s Stop")


async def test_s_stops_even_when_a_chart_has_the_focus(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    with alive(run):
        async with LeptonApp(workspace).run_test() as pilot:
            await pilot.press("3")
            await until(pilot, "s Stop")
            chart(pilot, "loss").focus()
            await pilot.press("s")
            await until(pilot, "Stop penguins_mlp?")
            await pilot.press("escape", "l")
            await until(pilot, lambda: chart(pilot, "loss").log_y)
            await pilot.press("m")
            assert chart(pilot, "loss").smoothed
            assert not chart(pilot, "accuracy").smoothed
            screen(pilot).query_one("#runs").focus()
            await pilot.press("m", "m")
            assert chart(pilot, "accuracy").smoothed


async def test_what_a_run_does_appears_by_itself(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    with alive(run):
        async with LeptonApp(workspace).run_test() as pilot:
            await pilot.press("3")
            await until(pilot, "step 18/90")
            tell(run, [step_event(step) for step in range(19, 28)])
            await until(pilot, "step 27/90")
            assert chart(pilot, "loss").readings["train/loss"] == pytest.approx(0.5)
            tell(run, [{"event": "resumed", "step": 9, "epoch": 2}])
            await until(pilot, "step 9/90")
            assert chart(pilot, "loss").readings["train/loss"] == pytest.approx(1.0)
            tell(run, FINISHED)
            await until(pilot, "✓ finished")


async def test_a_hidden_screen_reads_nothing(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(1))
    with alive(run):
        async with LeptonApp(workspace).run_test() as pilot:
            await pilot.press("3")
            await until(pilot, "step 9/90")
            train = screen(pilot)
            await pilot.press("6")
            await until(pilot, "No model yet")
            follower = train._follower
            assert follower is not None
            await until(pilot, lambda: not train._reading)
            before = follower.offset
            tell(run, [step_event(10)])
            for _ in range(20):
                await pilot.pause(0.02)
            assert follower.offset == before
            await pilot.press("3")
            await until(pilot, "step 10/90")


async def test_a_failed_run_says_what_and_what_to_do(workspace: Workspace) -> None:
    make_run(workspace, "train-20200115-120000-aaaa", [*training(2), *FAILED])
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        shown = await until(pilot, "✗ failed")
        assert "✗ training has diverged: at step 18 the loss is nan" in shown
        assert "→ Train again with a smaller lr than 0.9" in shown
        assert "r Resume" in shown


async def test_a_killed_run_is_interrupted(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    run.log_path.write_text("Killed: out of [bold]memory[/bold]\n")
    async with LeptonApp(workspace).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, "interrupted")
        shown = await until(pilot, "[bold]memory[/bold]")
        assert "→ Resume the run to go on" in shown


async def test_the_cursor_chooses_the_run_that_is_shown(workspace: Workspace) -> None:
    make_run(workspace, "train-20200115-120000-aaaa", [*training(2), *FAILED], model="older")
    make_run(
        workspace,
        "train-20200116-120000-bbbb",
        [*training(10), *FINISHED],
        model="newer",
        created="2020-01-16T12:00:00+00:00",
    )
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("3")
        await until(pilot, "✓ finished")
        await pilot.press("down")
        shown = await until(pilot, "✗ failed")
        assert "✓ finished" not in shown
        await pilot.click("#runs", offset=(4, 1))
        await until(pilot, "✓ finished")
        await pilot.press("y")
        await until(pilot, "lepton runs show train-20200116-120000-bbbb")


async def test_a_run_is_removed_after_a_question(workspace: Workspace) -> None:
    make_run(workspace, "train-20200115-120000-aaaa", [*training(1), *FINISHED])
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("3")
        await until(pilot, "✓ finished")
        await pilot.press("x")
        await until(pilot, "Remove penguins_mlp@1?")
        await pilot.press("y")
        await until(pilot, "No runs yet")
    assert Runs(workspace).list() == []


async def test_a_long_run_opens_piece_by_piece(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", [{**PLAN, "steps": 60_000}])
    tell(run, [step_event(step) for step in range(1, 60_001)])
    with alive(run):
        async with LeptonApp(workspace).run_test() as pilot:
            await pilot.press("3")
            await until(pilot, "step 60,000/60,000")
            assert len(chart(pilot, "loss")._series["train/loss"].curve) == 60_000


@pytest.mark.parametrize("size", SIZES)
async def test_goldens(penguins: Workspace, size: tuple[int, int]) -> None:
    failed = [*training(2), *FAILED]
    make_run(penguins, "train-20200114-120000-cccc", failed, created="2020-01-14T12:00:00+00:00")
    run = make_run(penguins, "train-20200115-120000-aaaa", training(6))
    with alive(run):
        async with LeptonApp(penguins).run_test(size=size) as pilot:
            await pilot.press("3")
            await until(pilot, "40 s left")
            await until(pilot, "● 1")
            await golden(pilot, "train", size)
            await pilot.press("down")
            await until(pilot, "✗ failed")
            await golden(pilot, "train-failed", size)
            await pilot.press("n")
            await until(pilot, "tabular-classification: ")
            await golden(pilot, "train-form", size)


async def test_augmentations_that_do_not_fit_are_told_in_the_form(penguins: Workspace) -> None:
    async with LeptonApp(penguins).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        await pilot.press("n")
        await until(pilot, "there are none for tables")
        field = pilot.app.screen.query_one("#augment", Input)
        field.focus()
        await pilot.press(*"flp,drop", "enter")
        await until(pilot, 'there is no augmentation "flp". Did you mean "flip"?')
        assert field.has_focus
        field.value = "flip,drop"
        await pilot.press("enter")
        await until(pilot, "tabular-classification reads tables. There is none for")
        field.value = ""
        await pilot.press("tab")
        assert not list(penguins.runs.iterdir())
