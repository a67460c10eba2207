"""Searches of settings on the Train screen: a line that holds its trials, and what was found."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from core.runs.notes import Notes, write_notes
from core.runs.run import Run
from core.tuning.outcome import Outcome, Trial
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.listing import LineList
from screens.train import TrainScreen
from screens.train.search import search_words
from tests.screens.golden import golden, screen_text
from tests.screens.walk import FINISHED, alive, make_run, tell, training, until

SEARCH = "tune-20200115-120000-srch"
TRIED = [(0.002, 0.95), (0.0004, 0.81), (0.08, 0.33), (0.01, 0.97)]
PLAN = {
    "event": "plan",
    "task": "tabular-classification",
    "architecture": "mlp",
    "steps": 6,
    "metric": "val/accuracy",
    "space": {"lr": "1e-4..1e-1", "batch_size": "32, 64"},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


def search_of(workspace: Workspace, ended: int) -> Run:
    """A search of which so many trials have ended, another run before it and one after."""
    make_run(workspace, "train-20200114-120000-aaaa", [*training(1), *FINISHED], model="before")
    events = [{"event": "state", "state": "running", "pid": 1}, PLAN]
    run = make_run(workspace, SEARCH, events, kind="tune")
    trials = []
    for number, (lr, value) in enumerate(TRIED[:ended]):
        name = f"train-20200116-12000{number}-tr{number:02d}"
        trial = make_run(
            workspace,
            name,
            [*training(1), *FINISHED],
            created=f"2020-01-16T12:00:0{number}+00:00",
            parent=f"{SEARCH}/{number}",
        )
        note = Notes(f"trial {number}: lr={lr}", ("tune-srch",))
        write_notes(trial.path, lambda _, note=note: note)
        params = {"lr": lr, "batch_size": 32}
        trials.append(Trial(number, name, "complete", value, params, 4.0))
        tell(run, [{"event": "step", "step": number + 1, "steps": 6}])
    Outcome("val/accuracy", True, tuple(trials), {"lr": 0.8, "batch_size": 0.2}).save(
        run.artifacts, {"dataset": "penguins", "lr": 0.01}
    )
    make_run(
        workspace,
        "train-20200117-120000-bbbb",
        [*training(1), *FINISHED],
        model="after",
        created="2020-01-17T12:00:00+00:00",
    )
    return run


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_search_is_a_line_that_holds_its_trials(
    workspace: Workspace, size: tuple[int, int]
) -> None:
    with alive(search_of(workspace, ended=4)):
        async with LeptonApp(workspace).run_test(size=size) as pilot:
            await pilot.press("3")
            shown = await until(pilot, "▸ peng")
            assert "trial 3" not in shown
            screen = pilot.app.screen
            assert isinstance(screen, TrainScreen)
            runs = screen.query_one("#runs", LineList)
            assert runs.option_count == 3
            await pilot.press("down")
            shown = await until(pilot, "★ the best is trial 3: val/accuracy 0.97")
            assert "0.97 4/6" in shown, "the best so far, and how many trials have ended"
            assert "4/6 trials" in shown
            assert "lr=1e-4..1e-1" in shown
            assert "space Mark" not in shown
            await golden(pilot, "search", size)
            await pilot.press("enter")
            await until(pilot, lambda: runs.option_count == 7)
            shown = await until(pilot, "★ ✓ trial 3: lr=0.01")
            assert "#tune-srch" not in shown, "which search it is of is plain to see"
            await pilot.press("down", "down")
            await until(pilot, lambda: str(runs.chosen).endswith("tr02"))
            await until(pilot, "Charts")
            await pilot.press("t")
            await until(pilot, lambda: runs.option_count == 3)
            assert runs.chosen == SEARCH


async def test_a_trial_that_somebody_goes_to_is_shown_in_its_search(workspace: Workspace) -> None:
    run = search_of(workspace, ended=2)
    wanted = "train-20200116-120001-tr01"
    app = LeptonApp(workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        app.visit("train", run=wanted)
        await until(pilot, "trial 1: lr=0.0004")
        runs = pilot.app.screen.query_one("#runs", LineList)
        await until(pilot, lambda: runs.chosen == wanted)
        await pilot.press("up")
        await until(pilot, lambda: runs.chosen == SEARCH)
        await pilot.press("x")
        await until(pilot, "What it found goes; its trials stay")
        await pilot.press("y")
        await until(pilot, lambda: "▸" not in screen_text(pilot.app))
        assert runs.option_count == 4, "trials without their search are runs as others are"
    assert not run.path.exists()


@pytest.mark.parametrize(("width", "tables"), [(40, 4), (78, 2), (118, 1)])
def test_the_table_of_the_trials_is_parted_and_not_cut(width: int, tables: int) -> None:
    tried = {"lr": 0.000123, "dropout": 0.387, "batch_size": 64, "weight_decay": 0.0792}
    tried |= {"schedule": "one-cycle", "optimizer": "muon"}
    trials = (
        Trial(0, "a", "complete", 0.97061, tried, 75),
        Trial(1, "b", "failed", None, tried, 9, why="the machine's memory is full"),
    )
    console = Console(width=width, file=StringIO())
    console.print(search_words(Outcome("val/accuracy", True, trials)))
    shown = console.file.getvalue()
    shown = shown[shown.index("\ntrial ") :]
    heads = [line.split() for line in shown.splitlines() if line.startswith("trial")]
    assert len(heads) == tables
    told = [head for each in heads for head in each if head != "trial"]
    assert told == ["val/accuracy", "took", *tried]
    for value in ("0.000123", "0.387", "64", "0.0792", "one-cycle", "muon"):
        assert shown.count(value) == 2
    assert "1 min 15 s" in shown
    assert "failed" in shown
