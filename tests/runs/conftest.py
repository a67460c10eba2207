"""A workspace whose path has spaces and letters beyond ASCII, and runs in real processes."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import LeptonError
from core.runs.events import Event
from core.runs.run import Run
from core.runs.store import Runs
from core.workspace import Workspace

DEADLINE = 30.0


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    found = Runs(Workspace.open(tmp_path / "ma première œuvre"))
    yield found
    stop_all(found.all())


def stop_all(runs: Iterable[Run]) -> None:
    """End what still works, at the end of a test."""
    for run in runs:
        with suppress(LeptonError):
            run.stop(now=True)


@pytest.fixture
def job(runs: Runs) -> Callable[[str], Run]:
    """Makes a run that does one of the functions of tests/runs/jobs.py."""
    return lambda do: runs.create("job", {"do": do}, entry="tests.runs.jobs")


def saw(run: Run, name: str, **fields: object) -> Event:
    """Wait for the event of this name that has these fields."""
    late = threading.Event()
    timer = threading.Timer(DEADLINE, late.set)
    timer.start()
    try:
        for event in run.events(follow=True, stop=late):
            if event["event"] == name and fields.items() <= event.items():
                return event
    finally:
        timer.cancel()
    raise AssertionError(f"no {name} event; the log says: {run.log_tail()}")


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that no event or lock tells of."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.002)
