"""The Train screen as a person uses it: real runs in real processes, and run folders by hand."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select

from core.data.lake.lake import Lake
from core.runs.events import EventWriter
from core.runs.store import Runs
from core.runs.worker import explain
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.listing import LineList
from screens.mode_bar import ModeBar
from screens.train import TrainScreen, asked
from screens.train import screen as screen_module
from screens.train.follower import Follower
from screens.train.form import StartForm
from screens.widgets.line_chart import LineChart
from tests.runs.conftest import stop_all
from tests.screens.golden import golden, screen_text
from tests.screens.walk import (
    FAILED,
    FINISHED,
    PLAN,
    alive,
    make_model,
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
    stop_all(Runs(found).all())


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


async def open_form(pilot: Pilot[None]) -> None:
    """Go to the form of a new run on the penguins."""
    await pilot.press("3")
    await until(pilot, "Press n to start one")
    await pilot.press("n")
    await until(pilot, "tabular-classification: ")


async def test_without_data_it_says_where_to_begin(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test(notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, "Press 2 to go to Data")
        await pilot.press("n")
        await until(pilot, "There is no data set")


@pytest.mark.slow
async def test_a_run_from_the_form_to_its_model(penguins: Workspace) -> None:
    torch_was_there = "torch" in sys.modules
    async with LeptonApp(penguins).run_test(size=(100, 30), notifications=True) as pilot:
        await open_form(pilot)
        pilot.app.screen.query_one("#epochs", Input).focus()
        await pilot.press("4")
        pilot.app.screen.query_one(f"#{asked.MORE}", Input).value = "optim=sgd"
        await until(pilot, "lepton train penguins --model mlp --epochs 4 optim=sgd")
        await pilot.press("enter")
        await until(pilot, "optim is called optimizer here")
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
    assert Runs(penguins).get(run.id).spec["optimizer"] == "sgd"


async def test_wrong_values_are_said_at_their_fields(penguins: Workspace) -> None:
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
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
        await open_form(pilot)
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
        await open_form(pilot)
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


def test_a_curve_is_given_until_it_is_taken(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    follower = Follower(run)
    dropped, drawn = follower.advance(1), follower.advance(1)
    assert set(dropped.curves) == set(drawn.curves) >= {"loss", "lr", "val/accuracy"}
    follower.took(drawn)
    assert follower.advance(1).curves == {}
    tell(run, [step_event(19)])
    assert set(follower.advance(1).curves) == {"loss", "lr", "examples_per_second"}
    follower.give_again()
    assert set(follower.advance(1).curves) == set(drawn.curves)


def test_two_threads_read_a_log_once(workspace: Workspace) -> None:
    steps = [step_event(step) for step in range(1, 20_001)]
    follower = Follower(make_run(workspace, "train-20200115-120000-aaaa", steps))
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(follower.advance, [10] * 8))
    assert [each.step for each in seen] == [20_000] * 8
    assert {len(each.curves["loss"].steps) for each in seen} == {20_000}


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


async def test_a_slow_disk_holds_up_no_key_and_is_not_asked_twice_at_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_runs(workspace)
    asked_for, answered = [], threading.Event()
    look = screen_module.look

    def slow(*given: object) -> object:
        asked_for.append(given)
        assert answered.wait(60)
        return look(*given)  # type: ignore[arg-type]

    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "✓ finished")
        monkeypatch.setattr(screen_module, "look", slow)
        train = screen(pilot)
        train.look()
        await until(pilot, lambda: bool(asked_for))
        train.look()
        train.look()
        await pilot.press("l")
        await until(pilot, "loss · log")
        await pilot.press("down")
        await until(pilot, "✗ failed")
        assert len(asked_for) == 1
        answered.set()
        await until(pilot, lambda: len(asked_for) == 2)


async def test_a_failed_run_says_what_and_what_to_do(workspace: Workspace) -> None:
    make_run(workspace, "train-20200115-120000-aaaa", [*training(2), *FAILED])
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        shown = await until(pilot, "✗ failed")
        assert "✗ training has diverged: at step 18 the loss is nan" in shown
        assert "→ Train again with a smaller lr than 0.9" in shown
        assert "r Resume" in shown


async def test_a_device_that_failed_says_how_to_go_on_elsewhere(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    error = explain(RuntimeError("CUDA error: unspecified launch failure\nmore"), run, "cuda:1")
    tell(run, [{"event": "state", "state": "failed", "error": error.to_json()}])
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        shown = await until(pilot, "✗ failed")
        assert "✗ cuda:1 has failed: CUDA error: unspecified launch failure" in shown
        assert f"lepton runs resume {run.id} --device cpu" in shown


def test_the_version_that_was_read_is_named_once_it_is_known(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", [])
    run.info["dataset"] = "digits@1"
    follower = Follower(run)
    assert follower.advance(1).dataset == "digits@1"
    tell(run, [{**PLAN, "dataset": "digits@2"}])
    assert follower.advance(1).dataset == "digits@2"


async def test_a_run_without_samples_says_why(workspace: Workspace) -> None:
    make_run(workspace, "train-20200114-120000-bbbb", [*training(0), *FAILED])
    run = make_run(workspace, "train-20200115-120000-aaaa", training(0))
    with alive(run):
        async with LeptonApp(workspace).run_test(size=(130, 30)) as pilot:
            await pilot.press("3")
            await until(pilot, "● running")
            await pilot.press("right_square_bracket")
            await until(pilot, "no sample yet: the first come with the end of the first epoch")
            await pilot.press("down")
            shown = await until(pilot, "and the run ended before")
            assert "yet" not in shown


async def test_a_killed_run_says_what_to_do_however_long_its_path_is(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "a-deep-folder-of-a-big-disk" / ("very-" * 30 + "deep"))
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    run.log_path.write_text("Killed: out of [bold]memory[/bold]\n")
    async with LeptonApp(workspace).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, "interrupted")
        await until(pilot, "[bold]memory[/bold]")
        await until(pilot, "→ Resume the run to go on")


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


def two_runs(workspace: Workspace) -> None:
    """An older failed run, and a newer one that finished and was set otherwise."""
    asked = {"dataset": "penguins", "lr": 0.1, "epochs": 20, "options": {"width": 64}}
    failed = [*training(2), *FAILED]
    make_run(workspace, "train-20200115-120000-aaaa", failed, spec=asked, model="older")
    make_run(
        workspace,
        "train-20200116-120000-bbbb",
        [*training(10), *FINISHED],
        spec={**asked, "lr": 0.2},
        created="2020-01-16T12:00:00+00:00",
    )


async def test_a_chart_for_every_number_and_those_that_are_asked_for(workspace: Workspace) -> None:
    two_runs(workspace)
    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "learning rate")
        shown = [chart(pilot, name) for name in ("loss", "accuracy", "lr", "examples_per_second")]
        assert all(each.display for each in shown)
        await pilot.press("slash", *"rate second")
        await until(pilot, lambda: [each.display for each in shown] == [False, False, True, True])
        await pilot.press("enter")
        await until(pilot, lambda: shown[2].has_focus)
        await pilot.press("z")
        await until(pilot, lambda: [each.display for each in shown] == [False, False, True, False])
        await pilot.press("escape")
        await until(pilot, lambda: all(each.display for each in shown))
        # A word that no chart has is not a run without steps.
        await pilot.press("slash", *"zzz", "enter")
        await until(pilot, "no chart has such a name; esc shows all of them")
        await pilot.press("escape")
        await until(pilot, lambda: all(each.display for each in shown))


async def test_one_crosshair_and_one_zoom_for_all_charts(workspace: Workspace) -> None:
    two_runs(workspace)
    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "learning rate")
        loss, accuracy, lr = (chart(pilot, name) for name in ("loss", "accuracy", "lr"))
        assert loss.extent == accuracy.extent == lr.extent == (1, 90)
        accuracy.focus()
        await pilot.press("left", "left")
        assert accuracy.crosshair == 81
        await until(pilot, lambda: loss.crosshair == lr.crosshair == 81)
        assert loss.readings["train/loss"] == pytest.approx(0.2)
        await pilot.press("plus")
        await until(pilot, lambda: loss.window == accuracy.window == lr.window is not None)
        assert loss.window[1] is None or loss.window[1] > 81  # type: ignore[index]
        screen(pilot).query_one("#runs").focus()
        await pilot.press("0", "right")
        await until(pilot, lambda: loss.window is None and (lr.crosshair or 0) > 81)
        await pilot.press("escape")
        await until(pilot, lambda: loss.crosshair is lr.crosshair is None)


async def test_runs_are_laid_over_each_other_and_compared(workspace: Workspace) -> None:
    two_runs(workspace)
    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "✓ finished")
        await until(pilot, lambda: chart(pilot, "loss").names == ["train/loss", "val/loss"])
        await pilot.press("space")
        await until(pilot, "+ ✓ penguins")
        await pilot.press("down")
        both = {f"{run}/{split}/loss" for run in ("aaaa", "bbbb") for split in ("train", "val")}
        await until(pilot, lambda: set(chart(pilot, "loss").names) == both)
        assert set(chart(pilot, "lr").names) == {"aaaa", "bbbb"}
        await pilot.press("left_square_bracket")
        shown = await until(pilot, "set differently")
        rows = [line.split("│")[-1].split() for line in shown.splitlines()]
        assert ["val/accuracy", "0.75", "0.95"] in rows
        assert ["lr", "0.1", "0.2"] in rows
        await pilot.press("y")
        compared = "lepton runs compare train-20200115-120000-aaaa train-20200116-120000-bbbb"
        await until(pilot, compared)
        await pilot.press("escape", "up", "space")
        await until(pilot, lambda: "+ ✓" not in screen_text(pilot.app))
        await until(pilot, lambda: chart(pilot, "loss").names == ["train/loss", "val/loss"])


async def test_the_other_tabs_tell_samples_log_and_settings(workspace: Workspace) -> None:
    events = training(3)
    for epoch, label in ((1, "Gentoo"), (2, "[b]Adelie[/b]")):
        answer = {"label": label, "score": 0.5 + epoch / 10, "scores": {}}
        example = {"row": 7, "input": "bill 38.1", "truth": "[b]Adelie[/b]", "answer": answer}
        events.append({"event": "samples", "epoch": epoch, "step": 9, "examples": [example]})
    spec = {"dataset": "penguins", "lr": 0.25}
    run = make_run(workspace, "train-20200115-120000-aaaa", events, spec=spec)
    run.log_path.write_text("a library warned\n")
    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "interrupted")
        await pilot.press("right_square_bracket")
        shown = await until(pilot, "epoch 2")
        row = next(line for line in shown.splitlines() if "✗ Gentoo 60 %" in line)
        assert "[b]Adelie[/b]" in row.split("Gentoo")[0]
        assert " [b]Adelie[/b] 70 %" in row.split("Gentoo")[1]
        assert row.count("✗") == 1
        await pilot.press("right_square_bracket")
        shown = await until(pilot, "printed by its process:")
        assert "encoding the train split" in shown
        assert "a library warned" in shown
        await pilot.press("right_square_bracket")
        await until(pilot, "0.25")


async def test_a_note_is_written_and_shown(workspace: Workspace) -> None:
    two_runs(workspace)
    async with LeptonApp(workspace).run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, "✓ finished")
        await pilot.press("o")
        await until(pilot, "Note on penguins_mlp@1")
        await pilot.press(*"flips help #best", "enter")
        await until(pilot, "✎ flips help #best")
        await pilot.press("o")
        await until(pilot, "Note on penguins_mlp@1")
        await pilot.press(*" #a/b", "enter")
        await until(pilot, '"#a/b" is no tag')
    newest = Runs(workspace).list()[0]
    assert (newest.note, newest.tags) == ("flips help", ("best",))


@pytest.fixture
def slow_survey(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The columns are known to the form when this is set."""
    known, survey = threading.Event(), asked.survey

    def slowly(workspace: Workspace, dataset: str) -> asked.Surveyed:
        assert known.wait(60)
        return survey(workspace, dataset)

    monkeypatch.setattr(asked, "survey", slowly)
    yield known
    known.set()


async def test_what_is_told_before_the_columns_are_known_stays(
    penguins: Workspace, slow_survey: threading.Event
) -> None:
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "n")
        await until(pilot, "looking at the columns")
        field = pilot.app.screen.query_one("#epochs", Input)
        field.value = "x"
        await pilot.press("ctrl+s")
        await until(pilot, "✗ epochs must be a whole number")
        slow_survey.set()
        await until(pilot, "tabular-classification (guessed)")
        assert "✗ epochs must be a whole number" in screen_text(pilot.app)
        assert field.has_focus


@pytest.mark.parametrize("changed", [False, True])
async def test_a_start_waits_for_the_columns_unless_something_is_typed_meanwhile(
    penguins: Workspace,
    slow_survey: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    changed: bool,
) -> None:
    started: list[asked.Settings] = []
    monkeypatch.setattr(StartForm, "dismiss", lambda _, given: started.append(given))
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "n")
        await until(pilot, "looking at the columns")
        form = pilot.app.screen
        await pilot.press("ctrl+s")
        await until(pilot, "the run starts when they are known")
        if changed:
            form.query_one("#epochs", Input).value = "3"
        slow_survey.set()
        await until(pilot, "tabular-classification (guessed)")
        assert len(started) == (0 if changed else 1)


async def test_a_run_is_cloned_with_changes(penguins: Workspace) -> None:
    spec = {"dataset": "penguins@1", "target": "mass", "lr": 0.125, "epochs": 7, "warmup": 0.2}
    spec |= {"model": "mlp", "options": {"width": 32}, "augment": [], "seed": 0}
    spec = {"inputs": ["bill"], **spec}
    make_run(penguins, "train-20200115-120000-aaaa", [*training(1), *FAILED], spec=spec)
    async with LeptonApp(penguins).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, "✗ failed")
        await pilot.press("c")
        await until(pilot, "tabular-regression (guessed)")
        form = pilot.app.screen
        assert isinstance(form, StartForm)
        form.query_one("#epochs", Input).value = "3"
        await pilot.pause()
        told = "lepton train penguins@1 --target mass --model mlp --epochs 3 --lr 0.125"
        assert asked.command(form.settings()) == f"{told} 'inputs=[\"bill\"]' warmup=0.2 width=32"
        form.query_one("#dataset", Select).value = "penguins"
        await until(pilot, "tabular-classification (guessed)")
        more = form.query_one(f"#{asked.MORE}", Input)
        assert more.value == "warmup=0.2 width=32"
        more.value = "warmup=0.3 width=32 optimizer=mion 'augment"
        await pilot.press("ctrl+s")
        await until(pilot, "✗ optimizer must be one of adamw, sgd, muon, not 'mion'")
        assert "Did you mean" in " ".join(str(form.query_one("#more-problem").render()).split())
        assert form.focused is more
        more.value = "warmup=0.3 width=32 optimizer=muon dropout=0.1"
        form._other_model()
        # The width is that of the model before; what the person wrote stays.
        await until(pilot, lambda: more.value == "warmup=0.3 optimizer=muon dropout=0.1")
        given = form.settings()
        assert (given["warmup"], given["optimizer"], given["dropout"]) == (0.3, "muon", 0.1)


@pytest.mark.slow
async def test_a_model_of_others_is_trained_from_its_folder(
    workspace: Workspace, tmp_path: Path
) -> None:
    told = [("good film", "up"), ("bad plot", "down")] * 20
    rows = {"text": [text for text, _ in told], "mood": [mood for _, mood in told]}
    texts = {"task": "text-classification", "target": "mood", "inputs": ["text"]}
    Lake(workspace).commit("reviews", pa.table(rows), op="import", **texts)
    folder = tmp_path / "tiny-bert"
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "n")
        await until(pilot, "text-classification: ")
        form = pilot.app.screen
        assert isinstance(form, StartForm)
        form.query_one("#model", Select).value = asked.OTHERS
        await until(pilot, "./FOLDER, or OWNER/NAME on the hub")
        await until(pilot, lambda: form.focused is form.query_one("#pretrained"))
        await pilot.press("ctrl+s")
        await until(pilot, "✗ name it: ./FOLDER")
        await pilot.press(*str(folder), "ctrl+s")
        await until(pilot, "✗ there is no such folder")
        folder.mkdir()
        (folder / "config.json").write_text('{"model_type": "bert"}')
        (folder / "model.safetensors").touch()
        form.query_one("#tune", Select).value = "lora"
        form.query_one("#queue", Select).value = "wait until it is free"
        await until(pilot, lambda: form.query_one("#lr", Input).placeholder == "0.0005")
        assert form.query_one("#name", Input).placeholder == "reviews_tiny-bert"
        words = f"lepton train reviews --model {folder} --epochs 10 --queue tune=lora"
        assert asked.command(form.settings()) == words
        await pilot.press("ctrl+s")
        # What only a look at the rows and the model can tell brings the form back as it was.
        await until(pilot, "has no tokenizer.json")
        await until(pilot, lambda: bool(pilot.app.screen.query_one("#model", Select).selection))
        assert asked.command(pilot.app.screen.settings()) == words  # type: ignore[attr-defined]


async def test_training_goes_on_from_a_model_of_ours(penguins: Workspace) -> None:
    learnt = {"inputs": ["bill", "mass"], "target": "species", "options": {"width": 128}}
    make_model(penguins, "first", training=learnt)
    make_model(penguins, "of_others", training={**learnt, "target": "mass"})
    async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "n")
        await until(pilot, "tabular-classification: ")
        form = pilot.app.screen
        assert isinstance(form, StartForm)
        form.query_one("#model", Select).value = asked.OURS
        await until(pilot, "lepton train penguins --from first@1 --epochs 10")
        origins = form.query_one("#init_from", Select)
        assert [value for _, value in origins._options if value is not Select.NULL] == ["first@1"]
        assert not form.query_one("#tune").parent.display
        assert form.query_one("#name", Input).placeholder == "penguins_mlp"


async def test_a_run_at_work_is_asked_for_another_rate_and_a_checkpoint(
    workspace: Workspace,
) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    with alive(run):
        async with LeptonApp(workspace).run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.press("3")
            await until(pilot, "g Rate k Save")
            await pilot.press("g")
            await until(pilot, "Learning rate of penguins_mlp")
            await pilot.press(*"fast", "enter")
            await until(pilot, '"fast" is no learning rate. Type a number above 0.')
            # What cannot be is not taken: it stands there to be mended.
            await pilot.press(*["backspace"] * 4, *"3e-4")
            await until(pilot, lambda: "no learning rate" not in screen_text(pilot.app))
            await pilot.press("enter", "k")
            await until(pilot, "It saves after the step it is at.")
            requests = (run.path / "requests.jsonl").read_text().splitlines()
            assert list(map(json.loads, requests)) == [{"lr": 3e-4}, {"checkpoint": True}]
            tell(run, [{"event": "obeyed", "request": 0, "step": 18, "lr": 3e-4}])
            await until(pilot, "the learning rate is 0.0003 from here: at step 18, as asked")
            tell(run, FINISHED)
            await until(pilot, lambda: "g Rate" not in screen_text(pilot.app))


async def test_older_runs_come_when_the_cursor_comes_to_them(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen_module, "AT_ONCE", 12)
    for day in range(1, 31):
        make_run(
            workspace,
            f"train-202001{day:02d}-120000-a{day:03d}",
            [*training(1), *FINISHED],
            created=f"2020-01-{day:02d}T12:00:00+00:00",
        )
    async with LeptonApp(workspace).run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(pilot, "the newest 12")
        assert screen(pilot).query_one("#runs", LineList).option_count == 12
        await pilot.press("end")
        await until(pilot, "the newest 24")
        await pilot.press("end")
        await until(pilot, lambda: screen(pilot).query_one("#runs", LineList).option_count == 30)
    app = LeptonApp(workspace)
    async with app.run_test(size=(120, 40)) as pilot:
        old = "train-20200105-120000-a005"
        app.visit("train", run=old)
        await until(pilot, "✓ finished")
        await until(pilot, lambda: screen(pilot).query_one("#runs", LineList).chosen == old)


async def test_a_run_that_waits_for_room_is_paused_until_it_goes_on(penguins: Workspace) -> None:
    full = {"event": "paused", "why": "a checkpoint could not be saved: No space left on device"}
    run = make_run(penguins, "train-20200115-120000-aaaa", [*training(3), full])
    with alive(run):
        async with LeptonApp(penguins).run_test(size=(80, 24)) as pilot:
            await pilot.press("3")
            await until(pilot, "‖ paused  penguins_mlp on penguins@2")
            assert "‖ penguins_mlp" in screen_text(pilot.app)
            assert " left" not in screen_text(pilot.app)
            with EventWriter(run.events_path) as events:
                events.write("paused", why=None)
            await until(pilot, "● running  penguins_mlp on penguins@2")
            await until(pilot, "│● penguins_mlp")


@pytest.mark.parametrize("size", SIZES)
async def test_goldens(penguins: Workspace, size: tuple[int, int]) -> None:
    failed = [*training(2), *FAILED]
    make_run(penguins, "train-20200114-120000-cccc", failed, created="2020-01-14T12:00:00+00:00")
    run = make_run(penguins, "train-20200115-120000-aaaa", training(6))
    with alive(run):
        async with LeptonApp(penguins).run_test(size=size) as pilot:
            await pilot.press("3")
            await until(pilot, "40 s left")
            await until(pilot, lambda: screen(pilot).query_one(ModeBar).running == 1)
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
        await until(pilot, lambda: "flp" not in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, "tabular-classification reads tables. There is none for")
        field.value = ""
        await pilot.press("tab")
        assert not list(penguins.runs.iterdir())


async def test_no_number_of_the_heading_is_cut(workspace: Workspace) -> None:
    run = make_run(workspace, "train-20200115-120000-aaaa", training(2))
    with alive(run):
        async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
            await pilot.press("3")
            metrics = {"val/accuracy": 0.98765, "val/loss": 0.04321, "train/loss": 0.09876}
            metrics |= {"val/f1_macro": 0.98123}
            tell(run, [{"event": "epoch", "epoch": 2, "step": 18, "metrics": metrics}])
            shown = await until(pilot, "val/accuracy 0.9877")
            (line,) = [each for each in shown.splitlines() if each.startswith(" val/accuracy")]
            assert "…" not in line
            assert line.rstrip(" │").endswith(("0.04321", "0.09876"))
            await pilot.resize_terminal(120, 40)
            await pilot.resize_terminal(160, 40)
            await until(pilot, "val/f1_macro 0.9812")
