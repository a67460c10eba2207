"""Trained models on disk: `models/NAME/VERSION/`, each a folder that stands on its own."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple, Self
from uuid import uuid4

from core.atomic import rename_folder, write_text
from core.data.lake.names import split_ref, valid_name
from core.errors import LeptonError, UsageError, nearest
from core.tasks import task
from core.tasks.base import Task
from core.workspace import Workspace, written_path

FORMAT = 1
INFO = "model.json"
WEIGHTS = "model.safetensors"
GRAPH, ABOUT = "model.onnx", "onnx.json"
"""The same model as an ONNX graph, and what goes in and out of it."""
ONNX = "onnx"
"""The architecture of a model that came as a graph; it has no other weights."""
RUNTIMES = ("torch", "onnx")
"""What can answer with a model: torch, or ONNX Runtime with the graph it was exported to."""
CARD = "README.md"
NUMBERS = ".numbers"
NEEDED = ("task", "architecture", "options", "shape", "codec")
DAMAGED = "Restore the folder from a copy, or train the model again."


class Stamp(NamedTuple):
    """A file by its inode and by when it was written, in nanoseconds since 1970."""

    inode: int
    written: int

    @classmethod
    def of(cls, facts: os.stat_result) -> Self:
        return cls(facts.st_ino, facts.st_mtime_ns)


@dataclass(frozen=True)
class ModelFolder:
    """One trained model. `info` is its `model.json`, and `stamp` says which file that was read of;
    `version` is None outside a workspace."""

    path: Path
    name: str
    version: int | None
    info: dict[str, Any]
    stamp: Stamp

    @property
    def ref(self) -> str:
        return str(self.path) if self.version is None else f"{self.name}@{self.version}"

    @property
    def is_there(self) -> bool:
        """Whether the folder is still the one that was read, and no other took its place."""
        try:
            return Stamp.of((self.path / INFO).stat()) == self.stamp
        except OSError:
            return False

    @property
    def weights(self) -> Path:
        return self.path / (GRAPH if self.info["architecture"] == ONNX else WEIGHTS)

    @property
    def kind(self) -> type[Task]:
        """The task that it is for, without its codec.

        Raises:
            UsageError: it is unknown here.
        """
        return task(str(self.info["task"]))

    @property
    def metric(self) -> str:
        """The key of the score that says how good it is (`Task.metric`)."""
        known = self.info.get("metric")
        return str(known) if known else self.kind.metric

    @property
    def metrics(self) -> dict[str, float]:
        """What it reached in training, by split and key: val/accuracy."""
        return self.info.get("metrics") or {}

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
            "metrics": self.metrics,
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
        if version is not None:
            raise LeptonError(f"{INFO} is missing", where=str(file), hint=DAMAGED)
        raise UsageError(
            "this folder is no model", where=str(path), hint=f"A model folder holds {INFO}."
        )
    for part in (file, *(path / name for name in (WEIGHTS, GRAPH, ABOUT))):
        if leads_out(part, path):
            # A folder that came from elsewhere is not to have this machine's files read.
            what = f"{part.name} is a link that leads out of the model's folder"
            raise LeptonError(what, where=str(part), hint=DAMAGED)
    try:
        with file.open() as there:
            # Of the file that is read: another may have its name a moment later.
            stamp = Stamp.of(os.fstat(there.fileno()))
            info = json.load(there)
        missing = [key for key in (*NEEDED, "format") if key not in info]
    except (ValueError, TypeError, OSError) as error:
        raise LeptonError(f"{INFO} cannot be read: {error}", where=str(file), hint=DAMAGED) from (
            error
        )
    if missing:
        raise LeptonError(f"{INFO} lacks {', '.join(missing)}", where=str(file), hint=DAMAGED)
    if not isinstance(info["format"], int) or info["format"] > FORMAT:
        raise LeptonError(
            "the model was made by a newer Lepton", where=str(file), hint="Install a newer Lepton."
        )
    return ModelFolder(path, name or str(info.get("name") or path.name), version, info, stamp)


def leads_out(file: Path, folder: Path) -> bool:
    """Whether a file of a folder is a link to one outside of it."""
    return not file.resolve().is_relative_to(folder.resolve())


def task_of(folder: ModelFolder) -> Task:
    """The task with the codec that the model was trained with.

    Raises:
        LeptonError: the codec is damaged.
    """
    codec = folder.info["codec"]
    try:
        if not isinstance(codec, dict):
            raise TypeError("it is no table of names and values")
        return folder.kind.from_json(codec)
    except (KeyError, TypeError, ValueError) as error:
        raise LeptonError(
            f"the model's codec is damaged: {error}", where=str(folder.path / INFO), hint=DAMAGED
        ) from error


def _is_path(ref: str) -> bool:
    return "/" in ref or ref in (".", "..")


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
        if isinstance(ref, Path) or _is_path(written):
            return open_folder(written_path(ref).absolute())
        if Path(written).is_dir() and not self._versions(split_ref(written)[0]):
            return open_folder(Path(written).absolute())
        while True:
            name, version = self._resolve(written)
            try:
                return self._open(name, version)
            except LeptonError:
                # One that was removed since it was found is not damaged.
                if (self.workspace.models / name / str(version)).exists():
                    raise

    def publish(self, name: str, staged: Path) -> ModelFolder:
        """Give a staged folder the next version of its name, in one step.

        A number is never given twice, even after a removal: runs and reports name models by it.

        Raises:
            UsageError: the name cannot be one.
        """
        home = self.workspace.models / valid_name(name)
        while True:
            home.mkdir(exist_ok=True)
            version = self._highest(name) + 1
            try:
                rename_folder(staged, home / str(version))
            except OSError:
                # Another process took the number, or removed the name, since it was looked up.
                if home.exists() and not (home / str(version)).exists():
                    raise
                continue
            return self._open(name, version)

    def remove(self, ref: str) -> None:
        """Remove a model with all its versions, or the one that `"name@2"` names.

        A damaged model can be removed too. It goes in one step, so that nobody reads half of it.

        Raises:
            UsageError: there is none.
        """
        if _is_path(ref):
            raise UsageError(f'"{ref}" is not in the workspace', hint="Name a model, not a folder.")
        name, version = self._resolve(ref)
        home = self.workspace.models / name
        self._remember(name, self._highest(name))
        going = self.workspace.tmp / f"{uuid4().hex}.removed"
        (home if "@" not in ref else home / str(version)).rename(going)
        rmtree(going)
        with suppress(OSError):
            home.rmdir()

    def _resolve(self, ref: str) -> tuple[str, int]:
        """Name and version of a model of the workspace, whole or not."""
        name, version = split_ref(ref)
        versions = self._versions(name)
        if not versions:
            hint = nearest(name, self.names()) or "Train one: lepton train DATASET --model cnn"
            raise UsageError(f'no model "{name}"', hint=hint)
        if version is not None and version not in versions:
            there = ", ".join(map(str, sorted(versions)))
            raise UsageError(
                f'no version {version} of the model "{name}"', hint=f"There are: {there}."
            )
        return name, max(versions) if version is None else version

    def _highest(self, name: str) -> int:
        """The highest number that a version has, or had before it went; 0: there was none."""
        try:
            gone = int(self._last(name).read_text())
        except (OSError, ValueError):
            gone = 0
        return max([gone, *self._versions(name)])

    def _remember(self, name: str, number: int) -> None:
        self._last(name).parent.mkdir(exist_ok=True)
        write_text(self._last(name), f"{number}\n")

    def _last(self, name: str) -> Path:
        return self.workspace.models / NUMBERS / f"{name}.last"

    def _versions(self, name: str) -> list[int]:
        try:
            there = [each.name for each in (self.workspace.models / name).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [int(each) for each in there if each.isdigit()]

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
