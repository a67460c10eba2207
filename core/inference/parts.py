"""What a run has answered so far, kept a part at a time until all of it becomes one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from core.data.exporting.place import placed


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


def _opened(path: Path) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.memory_map(str(path)))
