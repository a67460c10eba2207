"""A folder of images in which each class has a folder of its own."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.detect import IMAGE_SUFFIXES, image_kind
from core.data.sources.folders import listing
from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256
# A small file can unpack into an image that fills the memory.
MOST_PIXELS = 64_000_000
LAYOUT = "The folder should hold a folder for each class, with its images in it."


@dataclass(frozen=True)
class Found:
    path: Path
    label: str
    split: str | None


def find_images(desk: Desk, root: Path) -> list[Found]:
    """The files to read as images, with their classes.

    A first level of train, validation and test folders becomes the split.

    Raises:
        UsageError: there are no folders, or no images in them.
    """
    folders = _folders(root)
    splits = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in folders}
    if not folders:
        raise UsageError("the folder holds no class folders", where=str(root), hint=LAYOUT)
    if all(splits.values()) and all(_folders(folder) for folder in folders):
        classes = [(c, splits[folder]) for folder in folders for c in _folders(folder)]
    else:
        classes = [(folder, None) for folder in folders]
    found: list[Found] = []
    others = links = 0
    for folder, split in classes:
        images, other, led_out = _images_in(folder, root)
        others, links = others + other, links + led_out
        if not images:
            desk.note(f'the folder "{folder.relative_to(root)}" holds no images')
        found += [Found(path, folder.name, split) for path in images]
    if not found:
        raise UsageError("there are no images in the folder", where=str(root), hint=LAYOUT)
    others += sum(1 for entry in root.iterdir() if entry.is_file())
    if others:
        desk.note(f"{others:,} files that are no images, or lie in no class folder, were left out")
    if links:
        desk.note(f"{links:,} links out of the folder, or to folders, were not followed")
    if len({image.label for image in found}) == 1:
        desk.note(f'all images are of one class, "{found[0].label}"')
    order = {"train": 0, "validation": 1, "test": 2}
    return sorted(found, key=lambda f: (order.get(f.split or "", 3), f.label, str(f.path)))


def _folders(folder: Path) -> list[Path]:
    real = folder.resolve()
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir()
        and not entry.name.startswith(".")
        and (not entry.is_symlink() or entry.resolve().is_relative_to(real))
    )


def _images_in(folder: Path, root: Path) -> tuple[list[Path], int, int]:
    """The images in a class folder, and how many other files and links not followed there are."""
    listed = listing(folder, within=root)
    images = [
        path
        for path in listed.files
        if path.suffix.lower() in IMAGE_SUFFIXES or _begins_as_image(path)
    ]
    return images, len(listed.files) - len(images), len(listed.links)


def _begins_as_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return image_kind(file.read(16)) is not None
    except OSError:
        return False


def read_images(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the images with their original bytes; one that does not decode is rejected by name.

    Raises:
        UsageError: there are no images.
        LeptonError: most of them cannot be decoded.
    """
    import pyarrow as pa

    (root,) = paths
    found = find_images(desk, root)
    split = any(image.split for image in found)
    columns = [("image", pa.binary()), ("label", pa.string()), ("path", pa.string())]
    schema = pa.schema([*columns, ("split", pa.string())] if split else columns)

    def batches() -> Iterator[pa.RecordBatch]:
        kept = 0
        good: list[tuple[bytes, Found]] = []
        for done, (image, content, fault) in enumerate(_decoded(found), 1):
            if fault is None:
                good.append((content, image))
            else:
                desk.reject(str(image.path.relative_to(root)), fault)
            if good and (len(good) == BATCH or done == len(found)):
                yield _batch(good, root, schema)
                kept += len(good)
                good = []
            if done % BATCH == 0 or done == len(found):
                desk.progress(done, len(found))
        desk.judge(kept, "images")

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    return Arrived(reader, tuple(schema.names), {"image": "image"})


def _batch(good: list[tuple[bytes, Found]], root: Path, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {
        "image": [content for content, _ in good],
        "label": [image.label for _, image in good],
        "path": [str(image.path.relative_to(root)) for _, image in good],
        "split": [image.split for _, image in good],
    }
    return pa.RecordBatch.from_pydict({n: columns[n] for n in schema.names}, schema=schema)


def _decoded(found: list[Found]) -> Iterator[tuple[Found, bytes, str | None]]:
    """Each image with its bytes and what is wrong with it, in order, a bounded number ahead."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        ahead: deque[tuple[Found, Future[tuple[bytes, str | None]]]] = deque()
        for image in found:
            ahead.append((image, pool.submit(_check, image.path)))
            if len(ahead) >= 16 * workers:
                first, answer = ahead.popleft()
                yield (first, *answer.result())
        while ahead:
            first, answer = ahead.popleft()
            yield (first, *answer.result())


def _check(path: Path) -> tuple[bytes, str | None]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return b"", f"the file cannot be read: {error.strerror}"
    return content, image_fault(content)


def image_fault(content: bytes) -> str | None:
    """What keeps these bytes from being an image, or None when they decode whole."""
    from PIL import Image, UnidentifiedImageError

    if not content:
        return "the file is empty"
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return f"the image is too large: {width:,} x {height:,} pixels"
            image.verify()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except UnidentifiedImageError:
        return "the file is no image that can be decoded"
    except Image.DecompressionBombError:
        return "the image is too large"
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        return f"the image does not decode: {error}"
    return None
