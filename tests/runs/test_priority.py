"""A detached worker steps back as a session too, where Linux shares the processor by session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = (
    "import os; from pathlib import Path; from core.runs.priority import step_back;"
    "step_back(7); print(os.nice(0), Path('/proc/self/autogroup').read_text().split()[-1])"
)


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no autogroups here")
@pytest.mark.parametrize("detached", [True, False])
def test_a_session_of_its_own_steps_back_whole(detached: bool) -> None:
    before = Path("/proc/self/autogroup").read_text().split()[-1]
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
