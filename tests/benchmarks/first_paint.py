"""From the command to the first frame with its footer, against a Textual app with nothing in it."""

from __future__ import annotations

import sys
import tempfile

from core.workspace import Workspace
from tests.app.terminal import lepton
from tests.benchmarks.measure import Result, in_turns
from tests.benchmarks.pty_process import PtyProcess

EMPTY = [sys.executable, "-P", "-c", "from textual.app import App\nApp().run()"]
EMPTY_FRAME = b" " * 80
FOOTER = b"palette"
REPEATS = 9


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        Workspace.open(home)
        empty, ours = in_turns(
            REPEATS,
            lambda: _paint(EMPTY, EMPTY_FRAME, home),
            lambda: _paint(lepton(), FOOTER, home),
        )
    return [Result("first paint / empty Textual app", ours * 1e3, empty * 1e3, "ms", 2.0)]


def _paint(command: list[str], mark: bytes, home: str) -> float:
    with PtyProcess(command, home) as process:
        return process.seen(mark) - process.started
