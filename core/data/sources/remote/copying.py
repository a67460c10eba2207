"""Files of a file system elsewhere on their way here, several at a time, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.data.sources.desk import Desk
from core.data.sources.said import counted
from core.errors import LeptonError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

T = TypeVar("T")
CHUNK = 4 << 20
AT_ONCE = 8
TOLD_EVERY = 4 << 20
# Seconds: between two looks at what came, and for files under way to see that they are to end.
LOOK_EVERY = 0.1
GRACE = 1.0


class Copying:
    """Files on their way, several at a time; what they bring is bounded in all."""

    def __init__(self, desk: Desk, system: AbstractFileSystem) -> None:
        self._desk, self._system = desk, system
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._came = 0

    def all(self, files: list[tuple[str, int, Path]]) -> None:
        """Copy each file, of so many bytes, to its place.

        Raises:
            LeptonError: more comes than is allowed.
            Cancelled: the import is no longer wanted.
            Exception: whatever the file system raises where it cannot read one.
        """
        total = sum(size for _, size, _ in files)
        for folder in {place.parent for _, _, place in files}:
            folder.mkdir(parents=True, exist_ok=True)
        waiting = iter(files)
        ahead: set[Future[None]] = set()
        told = 0
        try:
            while True:
                for each in islice(waiting, AT_ONCE - len(ahead)):
                    ahead.add(_beside(partial(self._copy, *each)))
                if not ahead:
                    break
                done, ahead = wait(ahead, LOOK_EVERY, FIRST_COMPLETED)
                for copied in done:
                    copied.result()
                self._desk.check()
                if self._came - told >= TOLD_EVERY:
                    told = self._came
                    self._desk.progress(told, total)
        finally:
            self._stopped.set()
            # One that a server keeps waiting is left behind: it writes nothing any more.
            wait(ahead, GRACE)
        self._desk.progress(self._came, total)

    def _copy(self, at: str, size: int, place: Path) -> None:
        for chunk in self._chunks(at, size):
            if self._stopped.is_set():
                return
            with self._lock:
                self._came += len(chunk)
                if self._came > self._desk.options.most_bytes:
                    raise too_large(self._desk, self._came)
            with place.open("ab") as out:
                out.write(chunk)

    def _chunks(self, at: str, size: int) -> Iterator[bytes]:
        """The content of a file; a small one in one request, without asking for its size again."""
        if 0 < size <= CHUNK:
            yield self._system.cat_file(at, start=0, end=size)
            return
        with self._system.open(at, "rb", block_size=CHUNK, cache_type="readahead") as file:
            yield b""
            while chunk := file.read(CHUNK):
                yield chunk


def _beside(work: Callable[[], T]) -> Future[T]:
    """Work in a thread that this process does not wait for when it ends."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="cloud", daemon=True).start()
    return future


def waited(desk: Desk, work: Callable[[], T]) -> T:
    """What work in a thread of its own comes to.

    Raises:
        Cancelled: the import is no longer wanted; the thread is left behind.
    """
    future = _beside(work)
    while not wait([future], LOOK_EVERY).done:
        desk.check()
    return future.result()


def too_large(desk: Desk, size: int) -> LeptonError:
    return LeptonError(
        f"the files are {counted(size, 'byte')}, and {desk.options.most_bytes:,} are allowed",
        where=str(desk.source),
        hint="Allow more with --max-size, or name a part of them.",
    )
