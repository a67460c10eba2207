"""Where things lie on disk: one folder holds the lake, the runs and the models."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from core.errors import LeptonError, UsageError


@dataclass(frozen=True)
class Workspace:
    """A person's workspace. `LEPTON_HOME` or `--home` names it; `~/.lepton` is the default."""

    home: Path

    @classmethod
    def open(cls, home: str | Path | None = None) -> Workspace:
        """Find or make the workspace.

        Raises:
            UsageError: the folder cannot be made or written.
        """
        workspace = cls(home_folder(home or os.environ.get("LEPTON_HOME") or "~/.lepton"))
        try:
            for folder in workspace._folders():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the workspace cannot be made: {error.strerror}",
                where=str(error.filename or workspace.home),
                hint="Name a folder you can write with --home or LEPTON_HOME.",
            ) from error
        if not os.access(workspace.home, os.W_OK | os.X_OK):
            raise UsageError(
                "the workspace cannot be written",
                where=str(workspace.home),
                hint="Name a folder you can write with --home or LEPTON_HOME.",
            )
        return workspace

    def _folders(self) -> tuple[Path, ...]:
        return (self.data, self.compiled, self.tmp, self.runs, self.models, self.datasets)

    @property
    def catalogue(self) -> Path:
        """The SQLite file that lists data sets and their versions."""
        return self.home / "catalog.sqlite"

    @property
    def data(self) -> Path:
        """Immutable Parquet files, each named by the SHA-256 of its bytes."""
        return self.home / "data"

    @property
    def compiled(self) -> Path:
        """Memory-mapped training arrays; they can be rebuilt at any time."""
        return self.home / "compiled"

    @property
    def tmp(self) -> Path:
        """Unfinished writes, on the same file system as their final place."""
        return self.home / "tmp"

    @property
    def runs(self) -> Path:
        """One folder for each run."""
        return self.home / "runs"

    @property
    def models(self) -> Path:
        """Trained models: `models/NAME/VERSION/`."""
        return self.home / "models"

    @property
    def datasets(self) -> Path:
        """Original archives of built-in data sets, downloaded or put here by hand."""
        return self.home / "datasets"


def home_folder(named: str | Path) -> Path:
    """The whole path of a workspace's folder.

    Raises:
        UsageError: its `~` is nobody's home; a folder of that name would be made here.
    """
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            "the workspace cannot be made: its ~ is nobody's home",
            where=str(named),
            hint="Name a folder you can write with --home or LEPTON_HOME.",
        ) from error


def written_path(text: str | Path) -> Path:
    """A path as a person writes it; a `~` that is nobody's home stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib's raises there


def state_folder(name: str) -> Path:
    """Where all workspaces of a person meet on this machine, for what belongs to the machine.

    It is named after the machine because several may share a home, and is in none of the folders
    that are emptied while a run goes on: `/tmp` by age, `/run/user` and `/dev/shm` when a person
    logs out. `XDG_STATE_HOME` is obeyed. Nobody else can look into it.

    Raises:
        LeptonError: it cannot be made.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    try:
        # A person who has no home is a RuntimeError to `expanduser`.
        state = state.expanduser()
        folder = state / "lepton" / name / (platform.node() or "here")
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise LeptonError(
            f"which {name} are in use cannot be kept: {getattr(error, 'strerror', error)}",
            where=str(state),
            hint="Name a folder you can write with XDG_STATE_HOME.",
        ) from error
    return folder
