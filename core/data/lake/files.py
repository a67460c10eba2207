"""The files of a version as they lie on the disk: whether they are there, and what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.data.lake.version import Version
from core.errors import LeptonError

Known = dict[Path, tuple[object, ...]]
"""Files whose bytes were found to be what was written, and how they were then."""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(version: Version, folder: Path) -> None:
    """Look whether every file is there.

    Raises:
        LeptonError: one is missing.
    """
    for file in version.files:
        if not (folder / file.name).exists():
            raise _lost(version, folder / file.name, "missing")


def verify_files(version: Version, folder: Path, known: Known | None = None) -> None:
    """Hash every file again (about 2 GB a second).

    With `known`, which is then told of the others, not those that are in it as they still are.

    Raises:
        LeptonError: one is missing, or its bytes have changed since it was written.
    """
    check_files(version, folder)
    known = {} if known is None else known
    for file in version.files:
        path = folder / file.name
        # Before the hash: what changes while it is made is another file the next time.
        now = _as_it_is(path, file.sha256)
        if known.get(path) == now:
            continue
        if sha256_of(path) != file.sha256:
            raise _lost(version, path, "damaged")
        known[path] = now


def _as_it_is(path: Path, sha256: str) -> tuple[object, ...]:
    """What is another when a file was written to, or replaced, since."""
    now = path.stat()
    return (sha256, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


@contextmanager
def files_told(version: Version, folder: Path) -> Iterator[None]:
    """What is read of the files: one that is gone by now, or cannot be read, is told as such.

    DuckDB finds no more than damage to a file's structure; `verify_files` finds all.

    Raises:
        LeptonError: one is missing or damaged.
    """
    import duckdb

    try:
        yield
    # Where rows are streamed, Arrow hands DuckDB's error on as one of the system's.
    except (duckdb.Error, OSError) as error:
        check_files(version, folder)
        for file in version.files:
            if file.name in str(error):
                raise _lost(version, folder / file.name, "damaged") from error
        raise


def _lost(version: Version, path: Path, how: str) -> LeptonError:
    return LeptonError(
        f"a data file of {version.ref} is {how}",
        where=str(path),
        hint="Restore the file from a copy, or import the data set again.",
    )
