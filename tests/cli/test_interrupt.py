"""Ctrl-C in long work: it ends, at whatever moment it is pressed, with nothing changed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pytest

from core.data.engine import connect, interrupt
from core.data.lake.lake import Lake
from core.workspace import Workspace
from lepton_tui.cli.interrupt import interruptible
from tests.app.terminal import Terminal, lepton


@pytest.mark.parametrize(
    "step",
    [
        # One works in Python, one in DuckDB.
        "fill columns=x,y with=neighbours",
        "derive column=z sql='list_sum(list_transform(range(5000), lambda v: v * y))'",
    ],
)
def test_ctrl_c_in_the_middle_of_a_cleaning(tmp_path: Path, step: str) -> None:
    lake = Lake(Workspace.open(tmp_path))
    numbers = np.arange(400_000.0)
    numbers[::2] = np.nan
    lake.commit("big", pa.table({"x": numbers, "y": numbers[::-1]}), op="import")
    with Terminal(lepton("data", "clean", "big", "--step", step), home=tmp_path) as terminal:
        terminal.wait_for("Cleaning big  1.")
        terminal.send("\x03")
        assert terminal.wait_for_exit() == 130
        assert "error" not in terminal.text
        assert "Cleaning" not in terminal.text, "the line is taken away"
    assert [version.n for version in lake.versions("big")] == [1]
    assert [path.name for path in lake.workspace.tmp.iterdir()] == []


def test_ctrl_c_before_the_work_has_begun_ends_it() -> None:
    ended = Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.wait()

    with pytest.raises(KeyboardInterrupt):
        interruptible(work, ended.set)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_work_returns_or_raises_comes_out() -> None:
    assert interruptible(lambda: 6 * 7, lambda: None) == 42
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 / 0, lambda: None)


def test_a_connection_that_was_closed_meanwhile_is_left_alone() -> None:
    connection = connect()
    connection.close()
    interrupt(connection)
