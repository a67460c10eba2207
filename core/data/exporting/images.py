"""A folder of images by class, as an import reads it: `[SPLIT/]CLASS/ROW.png`."""

from __future__ import annotations

import os
from pathlib import Path

from core.data.exporting.request import OBJECTS, Request, Written, ending_of
from core.data.lake.view import ROW_ID, SPLIT
from core.data.sources.said import counted
from core.errors import UsageError

BATCH = 256


def write(request: Request, folder: Path) -> Written:
    """Write each image with its own bytes into the folder of its class.

    Raises:
        UsageError: the version has no images, no classes, or no rows with both.
    """
    version = request.version
    image, target = request.image_column("images"), version.target
    if target == OBJECTS:
        raise UsageError(
            f"the images of {version.ref} have no class, but objects in them",
            hint="Use --format coco, which holds their boxes.",
        )
    if target is None:
        raise UsageError(
            f"{version.ref} has no column of classes", hint="Use csv, parquet, jsonl or arrow."
        )
    by_split = request.by_split
    names = [image.name, target, *([SPLIT] if by_split else [])]
    folders = _Folders(folder)
    written = left_out = 0
    for batch in request.batches(names, BATCH):
        for row in batch.to_pylist():
            content, label, part = row[image.name], row[target], row.get(SPLIT)
            if content is None or label is None or (by_split and part is None):
                left_out += 1
                continue
            place = folders.of(str(label), str(part) if by_split else None)
            (place / f"{row[ROW_ID]:07d}.{ending_of(content)}").write_bytes(content)
            written += 1
    if not written:
        raise UsageError("there are no images to write", where=version.ref)
    what = "image, class or split" if by_split else "image or class"
    lost = f"{counted(left_out, 'row')} without {what} left out"
    return Written(written, [lost] if left_out else [])


class _Folders:
    """A folder for each class, named after it as closely as a file system lets one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[tuple[str | None, str], Path] = {}

    def of(self, label: str, split: str | None) -> Path:
        if (split, label) not in self._made:
            parent = self._root / file_name(split) if split else self._root
            name = file_name(label)
            taken = set(self._made.values())
            place, number = parent / name, 2
            while place in taken:
                place, number = parent / f"{name}_{number}", number + 1
            place.mkdir(parents=True)
            self._made[split, label] = place
        return self._made[split, label]


def file_name(text: str) -> str:
    """A name that a file system takes, and that leads nowhere else."""
    name = "".join("_" if c in "/\\\0" or not c.isprintable() else c for c in text)
    # Bytes, not characters, are what a file system counts.
    name = os.fsencode(name)[:200].decode(errors="ignore")
    return f"_{name}" if name.startswith(".") or not name else name
