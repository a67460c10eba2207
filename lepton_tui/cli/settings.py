"""The settings of a training out of a file or a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core import toml
from core.errors import UsageError
from core.runs.store import Runs
from core.tuning.outcome import BEST
from core.workspace import Workspace, written_path

RESOLVED = Path("artifacts") / "config.json"


def read_config(named: str, workspace: Workspace) -> dict[str, Any]:
    """Settings from a TOML or JSON file, a run's folder, or a run by its id: what it ran with, or
    the best that it found.

    Raises:
        UsageError: there is no such file or run, or it holds no settings.
    """
    path = written_path(named)
    if path.is_dir():
        path = path / RESOLVED if (path / RESOLVED).exists() else path / "config.json"
    elif not path.exists() and "/" not in named and not path.suffix:
        run = Runs(workspace).get(named)
        if (run.artifacts / BEST).exists():
            return read_config(str(run.artifacts / BEST), workspace)
        if not (run.path / RESOLVED).exists():
            raise UsageError(
                f"{run.id} has not settled its settings",
                hint="Only a training that has begun can be repeated.",
            )
        path = run.path / RESOLVED
    if path.suffix != ".json":
        return toml.read(path, "the settings")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the settings cannot be read: {error.strerror}", where=str(path)
        ) from error
    except ValueError as error:
        raise UsageError(f"the settings are not JSON: {error}", where=str(path)) from error
    if not isinstance(found, dict):
        raise UsageError("the settings are no table of names and values", where=str(path))
    return found
