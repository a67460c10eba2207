"""Opening the app from a shell: `lepton` alone, which needs none of the command line's parser."""

from __future__ import annotations

import os
import sys

from core.errors import LeptonError, UsageError
from core.workspace import Workspace
from lepton_tui.garbage import QuietCollector


def open_app() -> int:
    """Open the app on the workspace and wait until it is left; the exit code.

    Raises:
        UsageError: there is no terminal to draw on, or the workspace cannot be written.
        LeptonError: the app failed; the cause is chained.
    """
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not terminal or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "the app needs a terminal that can be drawn on",
            hint="In a script use the commands: lepton data, train, runs, eval, predict, models.",
        )
    workspace = Workspace.open()
    QuietCollector.hold()
    from lepton_tui.app import LeptonApp

    app = LeptonApp(workspace)
    app.run()
    if app.failure is not None:
        raise LeptonError(
            f"the app failed: {type(app.failure).__name__}: {app.failure}",
            hint="Your runs go on. Start it again, or with --debug to see where it failed.",
        ) from app.failure
    return app.return_code or 0
