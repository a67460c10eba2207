"""Export: the rows of a version as a file of another kind, or as a folder of images by class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING
from uuid import uuid4

from core.atomic import rename_folder, sync_path
from core.data.sources.detect import image_kind
from core.data.version import Column, Version
from core.data.view import ROW_ID, SPLIT, View, literal
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
}
IMAGES = "images"
FORMATS = (*dict.fromkeys(SUFFIXES.values()), IMAGES)
_COPY = {
    "csv": "FORMAT csv, HEADER",
    "tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    "parquet": "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2",
    "jsonl": "FORMAT json",
}
ENDINGS = {
    f"a {kind} image": kind.lower() for kind in ("PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF")
}
_BATCH = 8192
_IMAGES_AT_ONCE = 256


@dataclass(frozen=True)
class Exported:
    """What an export wrote: `rows` are rows or images, `notes` what was left out and why."""

    path: Path
    format: str
    rows: int
    notes: list[str] = field(default_factory=list)


def export(
    view: View,
    destination: Path,
    *,
    format: str | None = None,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the rows of a version, or of one split of it, in their order.

    The format is that of the file's ending, unless it is named; without an ending it is a folder of
    images: `[SPLIT/]CLASS/ROW.png`, as an import reads it. What is there already is kept until the
    new file is whole, and is replaced only when `replace` is true, a folder never.

    Raises:
        UsageError: the destination, format, split or a column cannot be.
        LeptonError: it cannot be written; nothing half written is left.
    """
    version = view.version
    kind = format or _format_of(view.version, destination)
    if kind not in FORMATS:
        raise UsageError(f'no format "{kind}"', hint=nearest(kind, FORMATS))
    if split is not None and split not in view.splits():
        there = tuple(view.splits())
        hint = nearest(split, there) if there else "Make one: lepton data split NAME"
        raise UsageError(f'no split "{split}"', where=version.ref, hint=hint)
    taken = [version.column(name) for name in columns or version.column_names]
    if not destination.parent.is_dir():
        raise UsageError("no such folder", where=str(destination.parent), hint="Make it first.")
    if destination.exists() and (kind == IMAGES or not replace or destination.is_dir()):
        hint = "Name another folder." if destination.is_dir() else "--force replaces it."
        raise UsageError("something is there already", where=str(destination), hint=hint)
    beside = destination.with_name(f".{destination.name}.{uuid4().hex[:8]}")
    tell = progress or (lambda done, total: None)
    try:
        if kind == IMAGES:
            done = _write_images(view, beside, split, tell)
            rename_folder(beside, destination)
        else:
            rows = _write_file(view, beside, kind, columns=taken, split=split, progress=tell)
            done = Exported(destination, kind, rows)
            sync_path(beside)
            beside.replace(destination)
            sync_path(destination.parent)
    except OSError as error:
        raise LeptonError(
            f"it cannot be written: {error.strerror or error}",
            where=str(destination),
            hint="Check the disk's room and the folder's permissions.",
        ) from error
    finally:
        if beside.is_dir():
            rmtree(beside)
        beside.unlink(missing_ok=True)
    return Exported(destination, done.format, done.rows, done.notes)


def _format_of(version: Version, destination: Path) -> str:
    if known := SUFFIXES.get(destination.suffix.lower()):
        return known
    if not destination.suffix and _image_column(version) is not None:
        return IMAGES
    raise UsageError(
        "the ending does not tell the format",
        where=str(destination),
        hint=f"Name one with --format: {', '.join(FORMATS)}.",
    )


def _image_column(version: Version) -> Column | None:
    return next((column for column in version.columns if column.media == "image"), None)


def _write_file(
    view: View,
    path: Path,
    kind: str,
    *,
    columns: Sequence[Column],
    split: str | None,
    progress: Callable[[int, int], None],
) -> int:
    """Stream the rows to one file; how many there were."""
    if kind in ("csv", "tsv", "jsonl"):
        for column in columns:
            if column.type == "BLOB":
                raise UsageError(
                    f'the column "{column.name}" holds bytes, which {kind} cannot',
                    hint="Use parquet or arrow, --format images, or leave it out: --columns A,B.",
                )
    total, written = view.count(split), 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal written
        names = [column.name for column in columns]
        for batch in view.batches(names, split=split, rows=_BATCH):
            written += batch.num_rows
            progress(written, total)
            yield batch.select(names)

    batches = counted()
    first = next(batches, None)
    if first is None:
        raise UsageError("there are no rows to write", where=view.version.ref)
    write_batches(path, kind, first.schema, chain([first], batches))
    return written


def write_batches(
    path: Path, kind: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> None:
    """Stream batches to a new file of one of the formats but `images`.

    Raises:
        LeptonError: they cannot be written in it.
    """
    import duckdb
    import pyarrow as pa

    if kind == "arrow":
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, schema) as file:
            for batch in batches:
                file.write_batch(batch)
        return
    stream = pa.RecordBatchReader.from_batches(schema, batches)
    try:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.register("stream", stream)
            place = literal(str(path))
            connection.execute(f"COPY (SELECT * FROM stream) TO {place} ({_COPY[kind]})")
    except duckdb.Error as error:
        raise LeptonError(
            f"the rows cannot be written: {str(error).splitlines()[0][:200]}", where=str(path)
        ) from error


def _write_images(
    view: View, folder: Path, split: str | None, progress: Callable[[int, int], None]
) -> Exported:
    """Write each image with its own bytes into the folder of its class."""
    version = view.version
    image, target = _image_column(version), version.target
    if image is None or target is None:
        raise UsageError(
            f"{version.ref} has no {'images' if image is None else 'column of classes'}",
            hint="Use csv, parquet, jsonl or arrow.",
        )
    by_split = split is None and SPLIT in version.column_names
    names = [image.name, target, *([SPLIT] if by_split else [])]
    folders = _Folders(folder)
    total, read, written, left_out = view.count(split), 0, 0, 0
    for batch in view.batches(names, split=split, rows=_IMAGES_AT_ONCE):
        for row in batch.to_pylist():
            content, label, part = row[image.name], row[target], row.get(SPLIT)
            if content is None or label is None or (by_split and part is None):
                left_out += 1
                continue
            ending = ENDINGS.get(image_kind(content[:16]) or "", "bin")
            place = folders.of(str(label), str(part) if by_split else None)
            (place / f"{row[ROW_ID]:07d}.{ending}").write_bytes(content)
            written += 1
        read += batch.num_rows
        progress(read, total)
    if not written:
        raise UsageError("there are no images to write", where=version.ref)
    what = "image, class or split" if by_split else "image or class"
    notes = [f"{left_out:,} rows without {what} were left out"] if left_out else []
    return Exported(folder, IMAGES, written, notes)


class _Folders:
    """A folder for each class, named after it as closely as a file system lets one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[tuple[str | None, str], Path] = {}

    def of(self, label: str, split: str | None) -> Path:
        if (split, label) not in self._made:
            parent = self._root / split if split else self._root
            name = "".join("_" if c in "/\\\0" or not c.isprintable() else c for c in label)
            # Bytes, not characters, are what a file system counts.
            name = os.fsencode(name)[:200].decode(errors="ignore")
            name = f"_{name}" if name.startswith(".") or not name else name
            taken = set(self._made.values())
            place, number = parent / name, 2
            while place in taken:
                place, number = parent / f"{name}_{number}", number + 1
            place.mkdir(parents=True)
            self._made[split, label] = place
        return self._made[split, label]
