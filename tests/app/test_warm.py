"""The other screens are read while a person looks at the first; in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from pathlib import Path
from core.workspace import Workspace
from lepton_tui.app import SCREENS, LeptonApp

async def main():
    async with LeptonApp(Workspace.open(Path(sys.argv[1]))).run_test() as pilot:
        modules = {place.partition(":")[0] for place in SCREENS.values()}
        while not modules <= sys.modules.keys():
            await pilot.pause(0.02)
        assert "torch" not in sys.modules

asyncio.run(asyncio.wait_for(main(), 50))
"""


def test_the_screens_are_there_before_they_are_visited(tmp_path: Path) -> None:
    run = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
