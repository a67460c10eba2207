"""IDX, the format of MNIST and its kin: one file of images, one of labels beside it."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.png import encode_png
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_kind import is_idx, seems_idx
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08
BATCH = 1024


@dataclass(frozen=True)
class Pair:
    """A file of images, its file of labels, and the split that their names speak of."""

    images: Path
    labels: Path
    split: str | None


def find_pairs(source: Path) -> list[Pair]:
    """The images and labels in a folder, or beside one file of images.

    Raises:
        UsageError: a file of labels is missing, or the file named is one of labels.
    """
    if source.is_file():
        if "label" in source.name.lower():
            raise UsageError(
                "this file holds labels",
                where=str(source),
                hint="Name the file of images, or the folder that holds both.",
            )
        return [_pair(source)]
    images = [
        path
        for path in sorted(source.iterdir())
        if path.is_file() and "label" not in path.name.lower() and seems_idx(path)
    ]
    # Unpacked and packed copies of one file often lie side by side.
    chosen = {path.name.removesuffix(".gz"): path for path in reversed(images)}
    if not chosen:
        raise UsageError(
            "the folder holds no IDX file of images",
            where=str(source),
            hint="It should hold train-images-idx3-ubyte.gz or the like.",
        )
    order = {"train": 0, "validation": 1, "test": 2}
    pairs = [_pair(path) for path in chosen.values()]
    return sorted(pairs, key=lambda pair: (order.get(pair.split or "", 3), pair.images.name))


def _pair(images: Path) -> Pair:
    plain = images.name.removesuffix(".gz")
    named = plain.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    for name in (named, f"{named}.gz"):
        labels = images.with_name(name)
        if name != plain and labels.is_file():
            return Pair(images, labels, _split_of(plain))
    raise UsageError(
        "the file of labels is missing",
        where=str(images),
        hint=f"It should lie beside it and be called {named} or {named}.gz.",
    )


def _split_of(name: str) -> str | None:
    lowered = name.lower()
    for word, split in (("train", "train"), ("t10k", "test"), ("test", "test")):
        if word in lowered:
            return split
    return "validation" if "val" in lowered else None


def read_idx_files(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the images of a folder, or of files, with the labels that lie beside them."""
    return read_idx(desk, [pair for path in paths for pair in find_pairs(path)])


def read_idx(desk: Desk, pairs: list[Pair]) -> Arrived:
    """Read images (kept as PNG) with their labels, and the split where the names tell it.

    Raises:
        LeptonError: a file is cut short or damaged, or images and labels differ in number.
    """
    import pyarrow as pa

    loaded = [(_array(pair.images), _array(pair.labels), pair) for pair in pairs]
    for images, labels, pair in loaded:
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
            raise desk.fail(
                f"{pair.images.name} holds {images.ndim} dimensions {images.shape}, not images",
                hint="Images have 3 dimensions: number, height and width.",
            )
        if labels.ndim != 1 or len(labels) != len(images):
            raise desk.fail(
                f"{pair.images.name} holds {len(images):,} images,"
                f" {pair.labels.name} holds {len(labels):,} labels",
                hint="The two files should belong together; copy them again.",
            )
    total = sum(len(images) for images, *_ in loaded)
    if not total:
        raise UsageError("there are no images in it", where=str(desk.source), hint="")
    split = any(pair.split for pair in pairs)
    columns = [("image", pa.binary()), ("label", pa.string())]
    schema = pa.schema([*columns, ("split", pa.string())] if split else columns)

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for images, labels, pair in loaded:
            for start in range(0, len(images), BATCH):
                part = images[start : start + BATCH]
                arrays = [
                    pa.array([encode_png(pixels) for pixels in part], pa.binary()),
                    pa.array([str(label) for label in labels[start : start + BATCH]]),
                ]
                if split:
                    arrays.append(pa.array([pair.split] * len(part), pa.string()))
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                done += len(part)
                desk.progress(done, total)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    return Arrived(reader, tuple(schema.names), {"image": "image"})


def _array(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes.

    Raises:
        LeptonError: cut short, damaged, or of another type.
    """
    import numpy as np

    def damaged(what: str) -> LeptonError:
        return LeptonError(what, where=str(path), hint="Copy or download it again.")

    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged("the gzip file is cut short or damaged") from error
    if not is_idx(content):
        raise damaged("this is no IDX file")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise damaged(f"the IDX file holds values of type 0x{kind:02x}, not unsigned bytes")
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    needed = int(np.prod(shape, dtype=object))
    if len(content) - start != needed:
        raise damaged(
            f"the IDX file should hold {needed:,} bytes of data, it holds {len(content) - start:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
