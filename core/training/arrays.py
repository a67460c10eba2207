"""Encoded arrays on disk: a folder of .npy files, put there whole, known to be whole when opened.

`meta.json` is written last. It keeps each file's size, its time of change and the SHA-256 of every
block of 1 MiB. Opening compares size and time, and hashes a bounded number of blocks: the first,
the last, and others drawn anew each time, so a start takes milliseconds however large the arrays
are, and a file of up to `CHECKED` blocks is hashed whole. When a time has changed, or
`LEPTON_VERIFY=full` is set, every block is hashed.

What this cannot see at once: bytes of a larger file that change while its size and time stay, as a
failing disk changes them. One damaged block of n is found by a start with a chance of CHECKED in n;
`LEPTON_VERIFY=full` finds it for certain.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np

from core.atomic import rename_folder, write_text
from core.errors import LeptonError, UsageError

META = "meta.json"
VERIFY = "LEPTON_VERIFY"
BLOCK = 1 << 20
CHECKED = 32
FORMAT = 2
STAGED = ".compiling"

Array = np.ndarray[Any, Any]


class Growing:
    """A .npy file that grows by rows; numpy's header leaves room for the final number."""

    def __init__(self, path: Path, like: Array) -> None:
        self.rows = 0
        self._like = like
        self._file = path.open("wb")
        self._head()

    def append(self, array: Array) -> None:
        """Write more rows.

        Raises:
            LeptonError: they are of another shape than those before.
        """
        if array.dtype != self._like.dtype or array.shape[1:] != self._like.shape[1:]:
            raise LeptonError(
                f"rows encode to different shapes: {array.shape[1:]} and {self._like.shape[1:]}"
            )
        self._file.write(np.ascontiguousarray(array).data)
        self.rows += len(array)

    def close(self) -> None:
        """Write the number of rows into the header, and close the file."""
        self._file.seek(0)
        self._head()
        self._file.close()

    def _head(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._like.dtype),
                "fortran_order": False,
                "shape": (self.rows, *self._like.shape[1:]),
            },
        )


def finish(folder: Path, names: list[str], of: dict[str, Any]) -> None:
    """Write down what the files of a staged folder are, and `of` which rows."""
    files = {name: _facts(folder / f"{name}.npy") for name in names}
    (folder / META).write_text(json.dumps({"format": FORMAT, "of": of, "files": files}))


def put(staged: Path, folder: Path) -> None:
    """Give the staged folder its name, unless another process was quicker."""
    try:
        rename_folder(staged, folder)
    except OSError:
        if not folder.exists():
            raise
        if open_arrays(folder, 0) is None:
            broken = staged.with_name(f"{os.getpid()}-{uuid4().hex}{STAGED}")
            folder.rename(broken)
            shutil.rmtree(broken)
            rename_folder(staged, folder)


def open_arrays(folder: Path, most: int) -> dict[str, Array] | None:
    """The arrays of a folder, loaded when they take up to `most` bytes together, else mapped.

    None when the folder is missing, unfinished or damaged as far as the check sees.

    Raises:
        UsageError: `LEPTON_VERIFY` is neither "full" nor "quick".
    """
    thorough = _thorough()
    try:
        meta = json.loads((folder / META).read_text())
        files = meta["files"]
        touched = [name for name in files if _touched(folder / f"{name}.npy", files[name])]
        for name, facts in files.items():
            if not _whole(folder / f"{name}.npy", facts, every=thorough or name in touched):
                return None
        if touched:
            # Copied or restored, and whole: the next start need not hash it all again.
            for name in touched:
                files[name]["changed"] = (folder / f"{name}.npy").stat().st_mtime_ns
            with suppress(OSError):
                write_text(folder / META, json.dumps(meta))
        # "c" maps pages that may be written to privately: torch warns about read-only memory.
        small = sum(facts["bytes"] for facts in files.values()) <= most
        mode: Literal["c"] | None = None if small else "c"
        return {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in files}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _thorough() -> bool:
    how = os.environ.get(VERIFY, "") or "quick"
    if how not in ("quick", "full"):
        raise UsageError(f'{VERIFY}="{how}" cannot be', hint="Write full or quick.")
    return how == "full"


def _facts(path: Path) -> dict[str, Any]:
    facts = path.stat()
    with path.open("rb") as file:
        digests = [_digest(file.read(BLOCK)) for _ in range(0, facts.st_size, BLOCK)]
    return {"bytes": facts.st_size, "changed": facts.st_mtime_ns, "sha256": digests}


def _touched(path: Path, facts: dict[str, Any]) -> bool:
    return bool(path.stat().st_mtime_ns != facts["changed"])


def _whole(path: Path, facts: dict[str, Any], *, every: bool) -> bool:
    """Whether the file is what was written: its size, and all of its blocks or some."""
    digests = facts["sha256"]
    if path.stat().st_size != facts["bytes"]:
        return False
    blocks = range(len(digests))
    chosen = list(blocks)
    if not every and len(blocks) > CHECKED:
        # Drawn by the system: the generators of this process are none of ours to turn.
        inner = random.SystemRandom().sample(blocks[1:-1], CHECKED - 2)
        chosen = [0, *sorted(inner), blocks[-1]]
    with path.open("rb") as file:
        for block in chosen:
            file.seek(block * BLOCK)
            if _digest(file.read(BLOCK)) != digests[block]:
                return False
    return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
