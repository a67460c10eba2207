"""What a run has answered so far, kept a part at a time until all of it becomes one table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from core.data.exporting.place import placed

PART_ROWS, PART_BYTES, PART_SECONDS = 131_072, 64 << 20, 5.0
"""A part is kept when it has so many rows or bytes, or after so long: no more is ever lost."""


@dataclass(frozen=True)
class Done:
    """How far it is: rows that were asked, those without an answer, and the last one's id."""

    asked: int = 0
    failed: int = 0
    reached: int | None = None

    def and_then(self, asked: int, failed: int, reached: int) -> Done:
        return Done(self.asked + asked, self.failed + failed, reached)


class Parts:
    """Arrow files in a folder; each says how far all of them are, so none is read to find out.

    A part is there as a whole or not at all, whatever moment the process is killed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def done(self) -> Done:
        files = self._files()
        if not files:
            return Done()
        told = _opened(files[-1]).schema.metadata
        return Done(**{name.decode(): int(number) for name, number in told.items()})

    def add(self, table: pa.Table, done: Done) -> None:
        """Keep a part; `done` counts it."""
        told = {name: str(number) for name, number in vars(done).items()}
        marked = table.replace_schema_metadata(told)
        with (
            placed(self._folder / f"{len(self._files()):08}.arrow") as beside,
            pa.OSFile(str(beside), "wb") as out,
            pa.ipc.new_file(out, marked.schema) as file,
        ):
            file.write_table(marked)

    def schema(self) -> pa.Schema:
        """That of the rows; there must be a part."""
        return _opened(self._files()[0]).schema.remove_metadata()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in their order; a few of them are in memory."""
        for path in self._files():
            file = _opened(path)
            for at in range(file.num_record_batches):
                yield file.get_batch(at).replace_schema_metadata(None)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.arrow"))


class Part:
    """Answers that wait to be kept together, `rows` in all.

    A part goes to the disk while the next one is answered: waiting for a disk takes longer than a
    small model does.
    """

    def __init__(self, parts: Parts, done: Done, rows: int) -> None:
        self.done = done
        self._all = rows
        self._disk = ThreadPoolExecutor(1, "parts")
        self._writing: Future[None] | None = None
        self._parts = parts
        self._clear()

    def add(self, table: pa.Table, asked: int, failed: int, last: int) -> None:
        self.done = self.done.and_then(asked, failed, last)
        self._tables.append(table)
        self._rows += len(table)
        self._bytes += table.nbytes
        late = time.monotonic() - self._began >= PART_SECONDS
        large = self._rows >= PART_ROWS or self._bytes >= PART_BYTES
        if self.done.asked == self._all:
            self.settle()
        elif late or large:
            self.keep()

    def keep(self) -> None:
        self._wait()
        if self._tables:
            table = pa.concat_tables(self._tables)
            self._writing = self._disk.submit(self._parts.add, table, self.done)
        self._clear()

    def settle(self) -> None:
        """Keep what waits, and wait until all is on the disk."""
        self.keep()
        self._wait()

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _clear(self) -> None:
        self._tables: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._began = time.monotonic()


def _opened(path: Path) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(str(path)))
