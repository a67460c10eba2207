"""schemathesis holds the service against its own OpenAPI document, and finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.conftest import Start

SCRIPT = Path(sys.executable).with_name("schemathesis")
HOOKS = "tests.serving.contract_hooks"
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
def test_the_service_keeps_to_its_document(lepton_serve: Start, tmp_path: Path) -> None:
    service = lepton_serve("flowers", "moods", "digits", "sales", "talker", "listener")
    words = [
        SCRIPT,
        f"--config-file={CONFIG}",
        "run",
        f"{service.address}/openapi.json",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=5",
        "--seed=1",
        "--continue-on-failure",
    ]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
