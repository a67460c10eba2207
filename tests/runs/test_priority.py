"""A detached worker steps back as a session too, where Linux shares the processor by session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
CODE = (
    "import os; from pathlib import Path; from core.runs.priority import step_back;"
    "step_back(7); print(os.nice(0), Path('/proc/self/autogroup').read_text().split()[-1])"
)


def autogroups() -> bool:
    """Whether this kernel shares by session; where it does not, the file is missing or empty."""
    return AUTOGROUP.exists() and bool(AUTOGROUP.read_text().strip())


@pytest.mark.skipif(not autogroups(), reason="no autogroups here")
@pytest.mark.parametrize("detached", [True, False])
def test_a_session_of_its_own_steps_back_whole(detached: bool) -> None:
    before = AUTOGROUP.read_text().split()[-1]
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        start_new_session=detached,
        capture_output=True,
        text=True,
        check=True,
    )
    nice, session = done.stdout.split()
    assert int(nice) >= 7
    assert session == ("7" if detached else before)
