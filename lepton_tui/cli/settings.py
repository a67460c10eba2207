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
ASKED = "run.json"


def read_config(named: str, workspace: Workspace) -> dict[str, Any]:
    """Settings from a TOML or JSON file, or of a run, by its id, its folder, or `runs/ID`: what it
    ran with, or the best that it found.

    Raises:
        UsageError: there is no such file or run, or it holds no settings.
    """
    path = written_path(named)
    if path.name == ASKED:
        path = path.parent
    if not path.exists() and not path.suffix:
        # The folder `runs` is that of the workspace, wherever one stands.
        path = Runs(workspace).get(named.removeprefix(f"{workspace.runs.name}/").rstrip("/")).path
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise UsageError(
            "the settings cannot be read: there is no such file",
            where=str(path),
            hint="Name a TOML or JSON file, or a run: lepton runs ls",
        )
    if path.suffix != ".json":
        return toml.read(path, "the settings")
    return _json(path)


def _of_folder(folder: Path) -> dict[str, Any]:
    """The settings in the folder of a run, or in one that somebody has made."""
    if (best := folder / "artifacts" / BEST).exists():
        return toml.read(best, "the settings")
    if (folder / RESOLVED).exists() or not (folder / ASKED).exists():
        found = folder / RESOLVED
        return _json(found if found.exists() else folder / "config.json")
    asked = _json(folder / ASKED)
    if asked.get("kind") != "train":
        raise UsageError(
            f"{folder.name} has no settings of a training",
            hint="Name a training, or a search that has found something.",
        )
    # It never began: what it was asked to do.
    return dict(asked["spec"])


def _json(path: Path) -> dict[str, Any]:
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
