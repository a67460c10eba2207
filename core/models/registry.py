"""Trained models on disk: `models/NAME/VERSION/`, each a folder that stands on its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from core.atomic import rename_folder
from core.data.lake import split_ref, valid_name
from core.errors import LeptonError, UsageError, nearest
from core.tasks import task
from core.tasks.base import Task
from core.workspace import Workspace

FORMAT = 1
INFO = "model.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
NEEDED = ("task", "architecture", "options", "shape", "codec")


@dataclass(frozen=True)
class ModelFolder:
    """One trained model. `info` is its `model.json`; `version` is None outside a workspace."""

    path: Path
    name: str
    version: int | None
    info: dict[str, Any]

    @property
    def ref(self) -> str:
        return str(self.path) if self.version is None else f"{self.name}@{self.version}"

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    @property
    def bytes(self) -> int:
        """Size of the weights on disk."""
        return self.weights.stat().st_size if self.weights.exists() else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "task": self.info["task"],
            "architecture": self.info["architecture"],
            "metrics": self.info.get("metrics") or {},
            "dataset": self.info.get("dataset"),
            "path": str(self.path),
            "run": self.info.get("run"),
        }


def open_folder(path: Path, *, name: str | None = None, version: int | None = None) -> ModelFolder:
    """Read a model folder's `model.json`; its weights are read when it is loaded.

    Raises:
        UsageError: the folder is no model.
        LeptonError: it is one, but damaged, or made by a newer Lepton.
    """
    file = path / INFO
    if not file.is_file():
        raise UsageError(
            "this folder is no model", where=str(path), hint=f"A model folder holds {INFO}."
        )
    try:
        info = json.loads(file.read_text())
        missing = [key for key in (*NEEDED, "format") if key not in info]
    except (ValueError, TypeError, OSError) as error:
        raise LeptonError(f"{INFO} cannot be read: {error}", where=str(file)) from error
    if missing:
        raise LeptonError(f"{INFO} lacks {', '.join(missing)}", where=str(file))
    if info["format"] > FORMAT:
        raise LeptonError(
            "the model was made by a newer Lepton", where=str(file), hint="Install a newer Lepton."
        )
    return ModelFolder(path, name or str(info.get("name") or path.name), version, info)


def task_of(folder: ModelFolder) -> Task:
    """The task with the codec that the model was trained with.

    Raises:
        LeptonError: the codec is damaged.
    """
    try:
        return task(folder.info["task"]).from_json(folder.info["codec"])
    except (KeyError, TypeError, ValueError) as error:
        raise LeptonError(
            f"the model's codec is damaged: {error}", where=str(folder.path / INFO)
        ) from error


class Models:
    """The trained models of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def names(self) -> list[str]:
        return sorted(p.name for p in self.workspace.models.iterdir() if self._versions(p.name))

    def get(self, ref: str | Path) -> ModelFolder:
        """The model of a name (its newest version), of `"name@2"`, or in a folder.

        Raises:
            UsageError: there is none.
            LeptonError: its folder is damaged.
        """
        written = str(ref)
        if isinstance(ref, Path) or "/" in written or written in (".", ".."):
            return open_folder(Path(ref).expanduser().absolute())
        name, version = split_ref(written)
        versions = self._versions(name)
        if not versions:
            if Path(written).is_dir():
                return open_folder(Path(written).absolute())
            hint = nearest(name, self.names()) or "Train one: lepton train DATASET --model cnn"
            raise UsageError(f'no model "{name}"', hint=hint)
        if version is not None and version not in versions:
            there = ", ".join(map(str, sorted(versions)))
            raise UsageError(
                f'no version {version} of the model "{name}"', hint=f"There are: {there}."
            )
        return self._open(name, max(versions) if version is None else version)

    def publish(self, name: str, staged: Path) -> ModelFolder:
        """Give a staged folder the next version of its name, in one step.

        Raises:
            UsageError: the name cannot be one.
        """
        home = self.workspace.models / valid_name(name)
        home.mkdir(exist_ok=True)
        while True:
            version = max(self._versions(name), default=0) + 1
            try:
                rename_folder(staged, home / str(version))
            except OSError:
                # Another process took the number between the look and the rename.
                if not (home / str(version)).exists():
                    raise
                continue
            return self._open(name, version)

    def remove(self, ref: str) -> None:
        """Remove a model with all its versions, or the one that `"name@2"` names.

        Raises:
            UsageError: there is none.
        """
        found = self.get(ref)
        if found.version is None:
            raise UsageError(f'"{ref}" is not in the workspace', hint="Name a model, not a folder.")
        _, version = split_ref(ref)
        rmtree(found.path if version is not None else found.path.parent)
        if version is not None and not self._versions(found.name):
            found.path.parent.rmdir()

    def _versions(self, name: str) -> list[int]:
        home = self.workspace.models / name
        if not home.is_dir():
            return []
        return [int(p.name) for p in home.iterdir() if p.name.isdigit() and (p / INFO).exists()]

    def _open(self, name: str, version: int) -> ModelFolder:
        return open_folder(self.workspace.models / name / str(version), name=name, version=version)

    def list(self) -> list[ModelFolder]:
        """Every version of every model, by name, newest first. Damaged folders are left out."""
        found = []
        for name in self.names():
            for version in sorted(self._versions(name), reverse=True):
                try:
                    found.append(self._open(name, version))
                except LeptonError:
                    continue
        return found
