"""Garbage: files of versions that are gone, what killed writers left, caches of what is no more.

A file goes only inside a write transaction of the catalogue, after the versions that used it are
gone for good. So a commit of the same bytes waits and puts them back, and a kill between the two
leaves a file too many, never a version without its file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

from core.data.lake.catalogue import Catalogue
from core.data.lake.version import Version
from core.workspace import Workspace

# A file that no version uses may be a table that waits for its version to be entered.
ORPHAN_SECONDS = 24 * 3600.0
META = "meta.json"
# Entries of a data set's history; beyond so many, those of versions that are gone go too.
LONGEST_HISTORY = 100


@dataclass(frozen=True)
class Freed:
    """What was removed, or would be: `bytes` counts all of it."""

    versions: tuple[Version, ...] = ()
    files: int = 0
    scratch: int = 0
    caches: int = 0
    bytes: int = 0


def collect(
    workspace: Workspace, doomed: Callable[[], Iterable[Version]], *, dry_run: bool = False
) -> Freed:
    """Remove versions, and everything in the workspace that no version needs then.

    What checks found in the versions stays in the history of their data set.

    `doomed` is asked inside the write transaction, so what it finds out cannot change meanwhile:
    no version is made, tagged or removed, and no training is started, until its versions are gone.

    Raises:
        LeptonError: the catalogue cannot be used.
    """
    catalogue = Catalogue(workspace.catalogue)
    caches = list(workspace.compiled.iterdir())
    gone: tuple[Version, ...]
    if dry_run:
        gone = tuple(doomed())
    else:
        with catalogue.write() as db:
            gone = tuple(doomed())
            for version in gone:
                catalogue.delete(db, version.dataset, version.n)
            catalogue.shorten_quality(db, LONGEST_HISTORY)
    lost = {version.ref for version in gone}
    kept = [version for version in catalogue.versions() if version.ref not in lost]
    of_gone = {file.name for version in gone for file in version.every_file}
    files, freed = _free_files(catalogue, workspace.data, of_gone, lost, dry_run=dry_run)
    scratch = [path for path in workspace.tmp.iterdir() if _is_left_over(path)]
    stale = [folder for folder in caches if _is_stale(folder, kept)]
    for path in (*scratch, *stale):
        freed += _size(path)
        if not dry_run:
            _remove(path, workspace.tmp)
    return Freed(gone, files, len(scratch), len(stale), freed)


def free(catalogue: Catalogue, folder: Path, names: Collection[str]) -> None:
    """Remove those of the files named that no version uses."""
    with catalogue.write():
        used = {file.name for version in catalogue.versions() for file in version.every_file}
        for name in set(names) - used:
            (folder / name).unlink(missing_ok=True)


def _free_files(
    catalogue: Catalogue, folder: Path, names: set[str], lost: set[str], *, dry_run: bool
) -> tuple[int, int]:
    """Remove the files named, and old ones of nobody's; how many there were, and their bytes."""
    found = freed = 0
    with catalogue.write():
        used = {
            file.name
            for version in catalogue.versions()
            if version.ref not in lost
            for file in version.every_file
        }
        for path in folder.glob("*.parquet"):
            if path.name in used:
                continue
            facts = path.stat()
            if path.name in names or time.time() - facts.st_mtime > ORPHAN_SECONDS:
                found += 1
                freed += facts.st_size
                if not dry_run:
                    path.unlink()
    return found, freed


def _is_left_over(path: Path) -> bool:
    """Whether a scratch file is a dead process's, or old and nobody's."""
    import psutil

    try:
        touched = path.stat().st_mtime
        owner = path.name.partition("-")[0]
        if owner.isdigit():
            # A process that began after the file was touched only has the same number.
            return bool(psutil.Process(int(owner)).create_time() > touched + 1)
    except psutil.NoSuchProcess:
        return True
    except FileNotFoundError:
        return False
    return time.time() - touched > ORPHAN_SECONDS


def _is_stale(folder: Path, kept: Iterable[Version]) -> bool:
    """Whether a cache of encoded rows is of a version that is gone, or does not say of which."""
    try:
        of = json.loads((folder / META).read_text())["of"]
        ref, files = of["version"], of["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return not any(v.ref == ref and [f.sha256 for f in v.files] == files for v in kept)


def _size(path: Path) -> int:
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    except FileNotFoundError:
        return 0


def _remove(path: Path, tmp: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    # In one step, so that nobody reads half of it.
    going = tmp / f"{os.getpid()}-{uuid4().hex}.removed"
    try:
        path.rename(going)
    except FileNotFoundError:
        return
    rmtree(going, ignore_errors=True)
