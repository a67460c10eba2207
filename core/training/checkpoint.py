"""Checkpoints: whole or not there, verified before they are used, without pickle.

`step-00001234/` holds `tensors.safetensors` (weights, optimizer, random number state, the best
weights so far), `state.json` (where training stands) and `manifest.json` (sizes and hashes,
written last). Any one of them is enough to go on from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.atomic import rename_folder
from core.errors import FULL, DiskFullError, LeptonError

TENSORS = "tensors.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
KEPT = 2
FORMAT = 1
_STAGED = ".saving-"


class DamagedCheckpointError(LeptonError):
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and verified; the tensors are on the CPU."""

    path: Path
    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run. Two are kept, since the newest may be the damaged one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def paths(self) -> list[Path]:
        """Folders of finished checkpoints, newest first."""
        return sorted(self.folder.glob("step-*"), key=lambda path: path.name, reverse=True)

    def save(
        self, step: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]
    ) -> Path:
        """Write a checkpoint of `step`, then remove those that are not needed any more.

        Raises:
            LeptonError: the disk is full or cannot be written; older checkpoints are as they were.
        """
        final = self.folder / f"step-{step:08d}"
        staged = self.folder / f"{_STAGED}{final.name}"
        self._sweep()
        try:
            staged.mkdir()
            save_file(_separate(tensors), staged / TENSORS, metadata={"format": "pt"})
            (staged / STATE).write_text(json.dumps({**state, "step": step}))
            files = {name: _facts(staged / name) for name in (TENSORS, STATE)}
            (staged / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": files}))
            if final.exists():
                shutil.rmtree(final)
            rename_folder(staged, final)
        except (OSError, SafetensorError) as error:
            self._sweep()
            full = isinstance(error, OSError) and error.errno in FULL
            full = full or "No space left" in str(error)
            kind, cure = (
                (DiskFullError, "Make room on the disk")
                if full
                else (LeptonError, "Make the folder writable")
            )
            raise kind(
                f"a checkpoint could not be saved: {error}",
                where=str(final),
                hint=f"{cure}, then resume the run.",
            ) from error
        for old in self.paths()[KEPT:]:
            shutil.rmtree(old)
        return final

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and a sentence for each newer one that is not.

        Damaged ones are removed, so that they never count among those that are kept.
        """
        self._sweep()
        notes: list[str] = []
        for path in self.paths():
            try:
                return read(path), notes
            except DamagedCheckpointError as damage:
                notes.append(f"{path.name} is damaged ({damage.what}); it is left out")
                shutil.rmtree(path)
        return None, notes

    def _sweep(self) -> None:
        """Remove what a killed save left behind."""
        for left in self.folder.glob(f"{_STAGED}*"):
            shutil.rmtree(left, ignore_errors=True)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint folder and verify every byte of it.

    Raises:
        DamagedCheckpointError: a file is missing, cut short or changed.
    """
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        for name in (TENSORS, STATE):
            if files[name] != _facts(path / name):
                raise DamagedCheckpointError(f"{name} is not what was written", where=str(path))
        state = json.loads((path / STATE).read_text())
        tensors = load_file(path / TENSORS)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise DamagedCheckpointError(f"{missing} is missing", where=str(path)) from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"it cannot be read: {error}", where=str(path)) from error
    return Checkpoint(path, int(state["step"]), tensors, state)


def _separate(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors on the CPU, contiguous, none sharing memory: safetensors refuses that."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        separate[name] = plain.clone() if place in seen else plain
        seen.add(place)
    return separate


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": os.path.getsize(path), "sha256": digest}  # noqa: PTH202
