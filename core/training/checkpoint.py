"""Checkpoints: whole or not there, verified before they are used, without pickle.

`step-00001234/` holds `tensors.safetensors` (weights, optimizer, random number state, the best
weights so far), `state.json` (where training stands) and `manifest.json` (sizes and hashes,
written last). Any one of them is enough to go on from.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.atomic import rename_folder
from core.errors import DiskFullError, LeptonError, is_full
from core.training import sharding
from core.training.group import ALONE, Group

TENSORS = "tensors.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
KEPT = 2
FORMAT = 1
_STAGED = ".saving-"
_LOST = frozenset({errno.EIO, errno.EISDIR, errno.ENOTDIR})
"""What the system says of bytes that no later try would find."""


class DamagedCheckpointError(LeptonError):
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and verified; the tensors are on the CPU.

    What is in parts is only verified, and read by `sharding.read`.
    """

    path: Path
    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]
    in_parts: bool = False


class Checkpoints:
    """The checkpoints of one run. Two are kept, since the newest may be the damaged one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def paths(self) -> list[Path]:
        """Folders of finished checkpoints, newest first."""
        return sorted(self.folder.glob("step-*"), key=lambda path: path.name, reverse=True)

    def save(
        self,
        step: int,
        tensors: Mapping[str, torch.Tensor],
        state: Mapping[str, Any],
        group: Group = ALONE,
    ) -> Path:
        """Write a checkpoint of `step`, then remove those that are not needed any more.

        Where a model is in parts, every process of the group saves its own, and the first one the
        rest; else only the first one is to call it.

        Raises:
            LeptonError: the disk is full or cannot be written; older checkpoints are as they were.
        """
        final = self.folder / f"step-{step:08d}"
        staged = self.folder / f"{_STAGED}{final.name}"
        parts = {name: each for name, each in tensors.items() if sharding.is_part(each)}
        rest = {name: each for name, each in tensors.items() if name not in parts}

        def begin() -> None:
            self._sweep()
            staged.mkdir()

        def finish() -> None:
            self._finish(staged, final, rest, {**state, "step": step})

        try:
            if parts:
                # Each step is done by all or by none, so that nobody waits for one that gave up.
                _led(begin, group)
                sharding.write(staged / sharding.SHARDS, parts, group)
                _led(finish, group)
            else:
                begin()
                finish()
        except (OSError, SafetensorError) as error:
            if group.leads:
                self._sweep()
            kind, cure = (
                (DiskFullError, "Make room on the disk")
                if is_full(error)
                else (LeptonError, "Make the folder writable")
            )
            raise kind(
                f"a checkpoint could not be saved: {error}",
                where=str(final),
                hint=f"{cure}, then resume the run.",
            ) from error
        return final

    def _finish(
        self,
        staged: Path,
        final: Path,
        tensors: Mapping[str, torch.Tensor],
        state: Mapping[str, Any],
    ) -> None:
        """Write what is not there yet, the manifest last, and give it its name."""
        save_file(_separate(tensors), staged / TENSORS, metadata={"format": "pt"})
        (staged / STATE).write_text(json.dumps(state))
        names = [path.relative_to(staged) for path in staged.rglob("*") if path.is_file()]
        files = {str(name): _facts(staged / name) for name in names}
        (staged / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": files}))
        if final.exists():
            shutil.rmtree(final)
        rename_folder(staged, final)
        for old in self.paths()[KEPT:]:
            shutil.rmtree(old)

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and a sentence for each newer one that is not.

        Damaged ones are removed, so that they never count among those that are kept.

        Raises:
            LeptonError: one may not be read now, and may be whole; it is left as it is.
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


def _led(work: Callable[[], None], group: Group) -> None:
    """What the first process does; how it fails is raised in all."""

    def tried() -> OSError | None:
        try:
            work()
        except OSError as error:
            return error
        except SafetensorError as error:
            return OSError(str(error))
        return None

    if error := group.told(tried):
        raise error


def read(path: Path) -> Checkpoint:
    """Read a checkpoint folder and verify every byte of it.

    Raises:
        DamagedCheckpointError: a file is missing, cut short or changed, or the disk has lost it.
        LeptonError: the system does not let us read it: a right is missing, or too much is open.
    """
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        for name in dict.fromkeys((TENSORS, STATE, *files)):
            if files[name] != _facts(path / name):
                raise DamagedCheckpointError(f"{name} is not what was written", where=str(path))
        state = json.loads((path / STATE).read_text())
        tensors = load_file(path / TENSORS)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise DamagedCheckpointError(f"{missing} is missing", where=str(path)) from error
    except OSError as error:
        if error.errno in _LOST:
            raise DamagedCheckpointError(f"it cannot be read: {error}", where=str(path)) from error
        raise LeptonError(
            f"a checkpoint cannot be read now: {error.strerror or error}",
            where=str(path),
            hint="Resume the run once it can be; to go on from the one before, move it away.",
        ) from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"it cannot be read: {error}", where=str(path)) from error
    in_parts = (path / sharding.SHARDS).is_dir()
    return Checkpoint(path, int(state["step"]), tensors, state, in_parts)


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
