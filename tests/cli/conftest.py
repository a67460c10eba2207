"""The real `lepton` script, in a workspace of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("lepton")


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Shell:
    """Runs `lepton` as a script would: no terminal, no input."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "LEPTON_HOME": str(home), "OMP_NUM_THREADS": "1"}
        # A person who starts the tests may have named the width of the terminal for all programs.
        self.env.pop("COLUMNS", None)

    def __call__(self, *words: str | Path, cwd: Path | None = None) -> Said:
        done = subprocess.run(
            [SCRIPT, *map(str, words)],
            cwd=cwd,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert "\x1b" not in done.stdout + done.stderr, "control codes in a pipe"
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def lepton(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")
