"""Runs that wait for a device, as a person sees them in the app."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from tests.runs.conftest import saw, stop_all
from tests.runs.conftest import until as until_it_holds
from tests.screens.walk import until


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = Runs(Workspace.open(tmp_path / "home"))
    yield found
    stop_all(found.all())


def made(runs: Runs, model: str) -> Run:
    return runs.create(
        "train", {"do": "until_stopped"}, model=model, entry="tests.runs.jobs", device="cuda:1"
    )


async def test_a_run_that_waited_when_the_machine_went_down_waits_again(runs: Runs) -> None:
    first, second = made(runs, "first"), made(runs, "second")
    first.launch()
    saw(first, "step")
    second.launch()
    saw(second, "waiting")
    os.kill(second.state().pid, signal.SIGKILL)
    until_it_holds(lambda: second.state().pid is None)
    async with LeptonApp(runs.workspace).run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, "s Stop")
        shown = await until(pilot, f"next in the queue for cuda:1, where {first.id[-4:]} works")
        assert "… queued  second" in shown
        assert "#1" in shown
        assert second.state().pid is not None
        await pilot.press("s")
        await until(pilot, "It leaves the queue; r puts it at the end again.")
        await pilot.press("y")
        await until(pilot, "■ stopped  second")
        await pilot.press("r")
        await until(pilot, "next in the queue for cuda:1")
        first.stop()
        await until(pilot, "● running  second")


async def test_a_damaged_queue_is_told(runs: Runs) -> None:
    (runs.workspace.home / "queue.json").write_text("[")
    async with LeptonApp(runs.workspace).run_test(notifications=True) as pilot:
        await until(pilot, "the file of the queue is damaged")
