"""What is to be written, and what was."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.data.lake.version import Column, Version
from core.data.lake.view import SPLIT, View
from core.data.sources.signatures import image_kind
from core.errors import Cancelled, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

OBJECTS = "objects"
"""The column of what is seen in an image, and where."""
ENDINGS = {
    f"a {kind} image": kind.lower() for kind in ("PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF")
}
SOUNDS = {b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\xff\xfb": "mp3", b"RIFF": "wav"}


@dataclass(frozen=True)
class Request:
    """Rows of an open version: these columns, of one split or of all, in their order."""

    view: View
    columns: tuple[Column, ...]
    split: str | None = None
    progress: Callable[[int, int], None] = lambda done, total: None
    should_stop: Callable[[], bool] = lambda: False

    @property
    def version(self) -> Version:
        return self.view.version

    @property
    def by_split(self) -> bool:
        """Whether a format with a place for each split has several to write."""
        return self.split is None and SPLIT in self.version.column_names

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Stream `(_rid, *names)`, and tell how many rows were taken.

        Raises:
            Cancelled: `should_stop` said so.
        """
        total, done = self.view.count(self.split), 0
        for batch in self.view.batches(names, split=self.split, rows=rows):
            self.go_on()
            yield batch
            done += batch.num_rows
            self.progress(done, total)

    def go_on(self) -> None:
        """End an export that somebody wants no more.

        Raises:
            Cancelled: it is so.
        """
        if self.should_stop():
            raise Cancelled("the export was stopped")

    def image_column(self, format: str) -> Column:
        """The column of images.

        Raises:
            UsageError: there is none.
        """
        for column in self.version.columns:
            if column.media == "image":
                return column
        raise UsageError(
            f"{self.version.ref} has no images, which the format {format} needs",
            hint="Use csv, parquet, jsonl or arrow.",
        )

    def refuse_bytes(self, format: str) -> None:
        """For formats of text.

        Raises:
            UsageError: a column holds bytes.
        """
        for column in self.columns:
            if column.type == "BLOB":
                raise UsageError(
                    f'the column "{column.name}" holds bytes, which {format} cannot',
                    hint="Use parquet or arrow, --format images, or leave it out: --columns A,B.",
                )


@dataclass(frozen=True)
class Written:
    """`rows` are rows or images; `notes` say what was left out or changed, and why."""

    rows: int
    notes: list[str] = field(default_factory=list)


def ending_of(content: bytes) -> str:
    """The ending of a file with these bytes of an image or a sound: png, jpeg, wav and the like."""
    if kind := image_kind(content[:16]):
        return ENDINGS[kind]
    return next((name for magic, name in SOUNDS.items() if content.startswith(magic)), "bin")


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height of an image in pixels, from its first bytes; None when it is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
