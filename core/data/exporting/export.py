"""Export: the rows of a version as a file of another kind, or as a folder that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.data.exporting import coco, excel, huggingface, images, tables
from core.data.exporting.place import check_place, placed
from core.data.exporting.request import OBJECTS, Request, Written
from core.data.lake.version import Version
from core.data.lake.view import View
from core.errors import UsageError, nearest

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".xlsx": "excel",
}
FILES: dict[str, Callable[[Request, Path], Written]] = {
    **{kind: partial(tables.write, kind=kind) for kind in (*tables.COPY, "arrow")},
    "excel": excel.write,
}
FOLDERS: dict[str, Callable[[Request, Path], Written]] = {
    "images": images.write,
    "coco": coco.write,
    "huggingface": huggingface.write,
}
# These take the columns that they know what to do with.
WITHOUT_COLUMNS = ("images", "coco")
FORMATS = (*FILES, *FOLDERS)


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
    progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write the rows of a version, or of one split of it, in their order.

    The format is that of the file's ending, unless it is named; without an ending it is a folder of
    images, as an import reads it: `[SPLIT/]CLASS/ROW.png`, or COCO where there are boxes. What is
    there already is kept until the new file is whole, and is replaced only when `replace` is true,
    a folder never. `progress` is told the rows done and all of them; `should_stop` is asked as
    often.

    Raises:
        UsageError: the destination, format, split or a column cannot be.
        LeptonError: it cannot be written; nothing half written is left.
        Cancelled: `should_stop` said so; nothing is left either.
    """
    version = view.version
    kind = format or _format_of(version, destination)
    if kind not in FORMATS:
        raise UsageError(f'no format "{kind}"', hint=nearest(kind, FORMATS))
    if split is not None and split not in view.splits():
        there = tuple(view.splits())
        hint = nearest(split, there) if there else "Make one: lepton data split NAME"
        raise UsageError(f'no split "{split}"', where=version.ref, hint=hint)
    if columns and kind in WITHOUT_COLUMNS:
        raise UsageError(
            f"{kind} takes the columns that it needs, and no others",
            hint="Leave --columns out, or use another format.",
        )
    taken = tuple(version.column(name) for name in columns or version.column_names)
    check_place(destination, replace=replace, folder=kind in FOLDERS)
    request = Request(view, taken, split, progress, should_stop)
    with placed(destination) as beside:
        if kind in FOLDERS:
            beside.mkdir()
            done = FOLDERS[kind](request, beside)
        else:
            done = FILES[kind](request, beside)
    return Exported(destination, kind, done.rows, done.notes)


def _format_of(version: Version, destination: Path) -> str:
    if known := SUFFIXES.get(destination.suffix.lower()):
        return known
    if not destination.suffix and any(column.media == "image" for column in version.columns):
        return "coco" if version.target == OBJECTS else "images"
    raise UsageError(
        "the ending does not tell the format",
        where=str(destination),
        hint=f"Name one with --format: {', '.join(FORMATS)}.",
    )
