"""Files that are either whole or not there, whatever moment the machine dies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4


def sync_path(path: Path) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write beside, sync, rename: a reader sees the old file or the new one, never a part.

    A `private` file is its owner's alone from its first byte.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    mode = 0o600 if private else 0o666
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(beside, flags, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_path(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def rename_folder(staged: Path, final: Path) -> None:
    """Sync every file of a staged folder, then give the folder its name in one step.

    Raises:
        FileExistsError or OSError: `final` is there already; `staged` stays as it was.
    """
    for folder, _, names in os.walk(staged):
        for name in names:
            sync_path(Path(folder) / name)
        sync_path(Path(folder))
    staged.rename(final)
    sync_path(final.parent)
