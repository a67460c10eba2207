"""What every test of a screen stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.screens.trips import trips


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same terminal wherever the tests run: pictures differ with the colours there are."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("NO_COLOR", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with the data set `trips`."""
    return trips(Lake(Workspace.open(tmp_path / "home")))
