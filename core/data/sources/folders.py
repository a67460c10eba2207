"""Which files of a folder count: visible ones, in the order of their names, that lie in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """The files in a folder and below, and the links that were not followed.

    A link to a file elsewhere in the folder counts as that file; one to a folder, or out of the
    folder, is not followed.
    """

    files: list[Path]
    links: list[Path]


def listing(root: Path, within: Path | None = None) -> Listing:
    """List a folder. Hidden files and folders, pipes and devices do not count.

    Links may lead anywhere `within` a larger folder, if one is named.

    Raises:
        OSError: the folder itself cannot be read.
    """
    files: list[Path] = []
    links: list[Path] = []
    real = (within or root).resolve()
    for entry in _entries(root, first=True):
        path = Path(entry.path)
        if not entry.is_symlink():
            if entry.is_file():
                files.append(path)
        elif path.is_file() and path.resolve().is_relative_to(real):
            files.append(path)
        else:
            links.append(path)
    return Listing(files, links)


def _entries(folder: Path | str, *, first: bool = False) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        if first:
            raise
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)
        else:
            yield entry
