"""The app in a real terminal: it opens, answers keys, and leaves the terminal as it found it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.app.terminal import Terminal, lepton

READY = "Nothing is here yet"
# What must be switched off again: the alternate screen, mouse reports, the hidden cursor.
RESTORED = (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?25h")


def restored(terminal: Terminal) -> bool:
    after = bytes(terminal.raw)
    return all(
        after.rfind(off) > after.rfind(off[:-1] + on)
        for off, on in zip(RESTORED, (b"h", b"h", b"l"), strict=True)
    )


def test_every_mode_has_its_key(tmp_path: Path) -> None:
    with Terminal(lepton(), home=tmp_path) as terminal:
        terminal.wait_for(READY)
        for key, seen in (
            ("2", "No data set yet"),
            ("3", "No runs yet"),
            ("4", "Evaluate"),
            ("5", "Infer"),
            ("6", "Models"),
            ("7", "nothing to serve before"),
            ("1", READY),
        ):
            terminal.send(key)
            terminal.wait_for(seen)
        terminal.send("?")
        terminal.wait_for("esc closes")
        terminal.send("\x1b")
        terminal.wait_for(READY)
        terminal.send("q")
        assert terminal.wait_for_exit() == 0
        assert restored(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_clean(tmp_path: Path, number: signal.Signals) -> None:
    with Terminal(lepton(), home=tmp_path) as terminal:
        terminal.wait_for(READY)
        terminal.kill(number)
        assert terminal.wait_for_exit() == 128 + number
        assert restored(terminal)


CRASH = """
import sys
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from lepton_tui.__main__ import main

def fall(self):
    raise ValueError("the sky is [red]falling[/red]")

LeptonApp.action_toggle_theme = fall
sys.argv = ["lepton", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize("debug", [False, True])
def test_a_crash_leaves_the_terminal_clean_and_says_one_line(tmp_path: Path, debug: bool) -> None:
    flags = ["--debug"] if debug else []
    with Terminal([sys.executable, "-c", CRASH, *flags], home=tmp_path) as terminal:
        terminal.wait_for(READY)
        terminal.send("\x14")
        assert terminal.wait_for_exit() == 1
        assert restored(terminal)
        said = bytes(terminal.raw).rpartition(b"\x1b[?1049l")[2].decode()
    assert "the sky is [red]falling[/red]" in said
    assert ("Traceback" in said) is debug


def test_without_a_terminal_it_prints_help_instead_of_drawing(tmp_path: Path) -> None:
    done = subprocess.run(
        lepton(),
        env={**os.environ, "LEPTON_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert "Usage: lepton" in done.stdout


def test_the_app_refuses_a_redirected_output(tmp_path: Path) -> None:
    code = "from lepton_tui.open_app import open_app; open_app()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LEPTON_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert "UsageError" in done.stderr and "needs a terminal" in done.stderr
    assert done.stdout == ""


def test_rules_are_written_in_a_persons_own_editor(tmp_path: Path) -> None:
    lake = Lake(Workspace.open(tmp_path / "home"))
    lake.commit("trips", pa.table({"age": [1, 2, 90]}), op="import")
    editor = tmp_path / "editor"
    rule = r'[[rule]]\ncheck = "range"\ncolumn = "age"\nmin = 0\nmax = 50\n'
    editor.write_text(f"#!/bin/sh\nprintf '{rule}' >> \"$1\"\n")
    editor.chmod(0o755)
    env = {"EDITOR": str(editor), "VISUAL": ""}
    with Terminal(lepton(), home=tmp_path / "home", env=env) as terminal:
        terminal.wait_for("trips")
        terminal.send("2")
        terminal.wait_for("trips@1")
        terminal.send("\r]]]")
        terminal.wait_for("score ")
        terminal.send("u")
        terminal.wait_for("There are no rules yet.")
        terminal.send("e")
        terminal.wait_for("0 of 1 hold in trips@1")
        terminal.send("q")
        terminal.wait_for(lambda shown: "Rules of trips" not in shown)
        terminal.send("q")
        assert terminal.wait_for_exit() == 0
        assert restored(terminal)
