"""Which files of a folder count: visible ones, in the order of their names, that lie in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """The files in a folder and below, and the links that were not followed.

    A link to a file elsewhere in the folder counts as that file; one to a folder, or out of the
    folder, is not followed. `names` are whole paths as text: of very many files, a `Path` each
    takes longer than all else that is done to list them.
    """

    names: list[str]
    links: list[Path]

    @cached_property
    def files(self) -> list[Path]:
        return [Path(name) for name in self.names]


def listing(root: Path, within: Path | None = None) -> Listing:
    """List a folder. Hidden files and folders, pipes and devices do not count.

    Links may lead anywhere `within` a larger folder, if one is named.

    Raises:
        OSError: the folder itself cannot be read.
    """
    names: list[str] = []
    links: list[Path] = []
    real = (within or root).resolve()
    for entry in _entries(root, first=True):
        if not entry.is_symlink():
            if entry.is_file():
                names.append(entry.path)
            continue
        path = Path(entry.path)
        if path.is_file() and path.resolve().is_relative_to(real):
            names.append(entry.path)
        else:
            links.append(path)
    return Listing(names, links)


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in a folder, by name, without links that lead out of it."""
    real = folder.resolve()
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir()
        and not entry.name.startswith(".")
        and (not entry.is_symlink() or entry.resolve().is_relative_to(real))
    )


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
