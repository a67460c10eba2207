"""Following a run from a screen until it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.runs.run import Run
from core.runs.state import RunState
from core.workspace import Workspace
from screens.base import LeptonScreen

POLL_SECONDS = 0.25


def launched(workspace: Workspace, kind: str, spec: Mapping[str, Any], **about: Any) -> Run:
    """In a thread: a run that has been started."""
    from core.runs.store import Runs

    run = Runs(workspace).create(kind, dict(spec), **about)
    run.launch()
    return run


def follow(
    screen: LeptonScreen,
    run: Run,
    *,
    going: Callable[[RunState], None],
    ended: Callable[[RunState], None],
) -> None:
    """Look at a run again and again: `going` as long as it goes on, and `ended` once."""

    def look(state: RunState) -> None:
        if state.state in ("queued", "running"):
            going(state)
            screen.set_timer(POLL_SECONDS, poll)
        else:
            ended(state)

    def poll() -> None:
        screen.fetch(run.state, look, group=f"await {run.id}")

    poll()
