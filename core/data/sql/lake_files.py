"""A file system that holds the files of a few versions and nothing else, for reading.

DuckDB asks it for every file of a locked connection. A path is looked up in a table of names, never
made into one of the disk, so there is no way up or out of it; and it opens files for reading only,
whatever it is asked for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

SCHEME = "lake://"


class LakeFiles(AbstractFileSystem):  # type: ignore[misc]
    """Named files, read-only: `lake://NAME`."""

    protocol = "lake"
    cachable = False

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__()
        self._files = dict(files)

    def open(self, path: str, mode: str = "rb", **_: Any) -> PlacedFile:
        if mode != "rb":
            raise PermissionError("the lake is read, not written")
        return PlacedFile(self._place(path))

    def exists(self, path: str, **_: Any) -> bool:
        return path.removeprefix(SCHEME) in self._files

    def isfile(self, path: str) -> bool:
        return self.exists(path)

    def isdir(self, path: str) -> bool:
        return False

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path] if self.exists(path) else []

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        return []

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self._place(path).stat().st_size, "type": "file"}

    def modified(self, path: str) -> datetime:
        # Files are named by their content, so they never change.
        return datetime(2020, 1, 1, tzinfo=UTC)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise PermissionError("the lake is read, not written")

    mkdir = makedirs = rmdir = rm = rm_file = mv = move = rename = cp_file = copy = touch = _refuse

    def _place(self, path: str) -> Path:
        try:
            return self._files[path.removeprefix(SCHEME)]
        except KeyError:
            raise FileNotFoundError(path) from None


class PlacedFile:
    """A file opened for reading, with a place of its own for each thread.

    DuckDB's threads share it and each seeks before it reads.
    """

    mode = "rb"

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size
        self._here = threading.local()
        self.closed = False

    def tell(self) -> int:
        return getattr(self._here, "at", 0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._here.at = start + offset
        return start + offset

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        content = os.pread(self._descriptor, self._size - start if size < 0 else size, start)
        self._here.at = start + len(content)
        return content

    def flush(self) -> None:
        """Nothing is written, so nothing is held back."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)

    def __del__(self) -> None:
        self.close()
