"""Many files of media as rows: read and looked at in threads, handed over in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.data.sources.desk import Arrived, Desk
from core.data.sources.media.medium import Facts, Medium
from core.data.sources.media.pictures import image_size
from core.errors import LeptonError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1024
# A group of rows in the file: whoever reads it holds several times as much for each thread.
BATCH_BYTES = 16 << 20
LARGEST_FILE = 512 << 20
# One piece of work of a thread: enough files to be worth it, not so many that they fill the memory.
MOST_FILES = 64
PIECE_BYTES = 8 << 20


@dataclass(frozen=True)
class Looked:
    """The bytes of one row's files, what they tell, and what is wrong with them if anything is."""

    contents: tuple[bytes | None, ...]
    tells: Facts = ()
    fault: str | None = None

    @property
    def size(self) -> int:
        return sum(len(content) for content in self.contents if content)


def media_rows(
    desk: Desk,
    medium: Medium,
    files: Sequence[str],
    facts: pa.Table,
    *,
    masks: Sequence[str] | None = None,
) -> Arrived:
    """A row for each file: its bytes, what they tell, and its row of `facts`.

    `facts` has a column `path`, which names a file that had to be left out. `masks` are pictures
    of the same sizes that go with the files, in a column `mask`.

    Raises, while the rows are read:
        LeptonError: most of the files do not decode.
    """
    import pyarrow as pa

    columns = (medium.column, "mask") if masks is not None else (medium.column,)
    schema = pa.schema(
        [
            *((column, pa.binary()) for column in columns),
            *((name, pa.type_for_alias(kind)) for name, kind in medium.tells),
            *facts.schema,
        ]
    )
    places = facts["path"].to_pylist()
    earlier = desk.rejected

    def look(first: int, end: int) -> list[Looked]:
        try:
            if masks is None:
                return [_look(medium, files[i]) for i in range(first, end)]
            return [_look_at_both(files[i], masks[i]) for i in range(first, end)]
        except LeptonError as error:
            # A stream hides what is raised in it.
            desk.failure = error
            raise

    def batches() -> Iterator[pa.RecordBatch]:
        kept: list[int] = []
        held: list[Looked] = []
        size = done = count = 0
        for looked in _in_threads(look, len(files)):
            for each in looked:
                if each.fault is None:
                    kept.append(done)
                    held.append(each)
                    size += each.size
                else:
                    desk.reject(places[done], each.fault)
                done += 1
            if len(kept) >= BATCH_ROWS or size >= BATCH_BYTES or done == len(files):
                if kept:
                    yield _batch(schema, len(columns), facts, kept, held)
                count += len(kept)
                kept, held, size = [], [], 0
                desk.progress(done, len(files))
        desk.judge(count, medium.many, earlier)

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    media = dict.fromkeys(columns, "image") | {medium.column: medium.column}
    return Arrived(reader, tuple(schema.names), media)


def _batch(
    schema: pa.Schema, media: int, facts: pa.Table, kept: list[int], held: list[Looked]
) -> pa.RecordBatch:
    import pyarrow as pa

    told = len(schema) - media - facts.num_columns
    made = [pa.array([each.contents[i] for each in held], pa.binary()) for i in range(media)]
    made += [
        pa.array([each.tells[i] for each in held], schema.field(media + i).type)
        for i in range(told)
    ]
    rows = facts.take(pa.array(kept, pa.int64())).combine_chunks()
    made += [column.chunk(0) for column in rows.columns]
    return pa.RecordBatch.from_arrays(made, schema=schema)


def _in_threads(look: Any, count: int) -> Iterator[list[Looked]]:
    """What `look(first, end)` finds, piece by piece, a bounded number of bytes ahead."""
    workers = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="media")
    try:
        ahead: deque[Future[list[Looked]]] = deque()
        start, files = 0, 4
        while start < count or ahead:
            while start < count and len(ahead) < 2 * workers:
                end = min(count, start + files)
                ahead.append(pool.submit(look, start, end))
                start = end
            found = ahead.popleft().result()
            mean = max(1, sum(each.size for each in found) // len(found))
            files = max(1, min(MOST_FILES, PIECE_BYTES // mean))
            yield found
    finally:
        pool.shutdown(cancel_futures=True)


def _look(medium: Medium, path: str) -> Looked:
    content = read_file(path)
    if isinstance(content, str):
        return Looked((None,), fault=content)
    found = medium.look(content)
    if isinstance(found, str):
        return Looked((None,), fault=found)
    return Looked((content,), found)


def _look_at_both(path: str, mask: str) -> Looked:
    """A picture and its mask, which must be of one size."""
    contents, sizes = [], []
    for each, said in ((path, ""), (mask, "its mask: ")):
        content = read_file(each)
        size = content if isinstance(content, str) else image_size(content)
        if isinstance(content, str) or isinstance(size, str):
            return Looked((None, None), fault=f"{said}{size}")
        contents.append(content)
        sizes.append(size)
    (width, height), (across, down) = sizes
    if sizes[0] != sizes[1]:
        fault = f"the image is {width} x {height} pixels, its mask {across} x {down}"
        return Looked((None, None), fault=fault)
    return Looked(tuple(contents))


def read_file(path: str) -> bytes | str:
    """The bytes of a file, or in words why they cannot be had."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size > LARGEST_FILE:
                return f"the file is too large: {size:,} bytes"
            content = os.read(descriptor, size + 1)
            while len(content) < size and (more := os.read(descriptor, size)):
                content += more
            return content
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
