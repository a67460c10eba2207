"""Locks of files (`flock`), by which the processes of a machine take turns.

The system drops one when its holder ends, however that comes, so nobody has to notice a death.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def locked(file: int | IO[bytes], *, shared: bool = False) -> bool:
    """Lock an open file, alone or with others who share it: whether it could be had at once."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(path: Path, mode: int | None = 0o644) -> Iterator[None]:
    """Wait for the lock of a file, and hold it: for moments, not for work.

    Without a `mode` to make it with, the file, which may be a folder, has to be there.
    """
    how = os.O_RDONLY if mode is None else os.O_RDWR | os.O_CREAT
    file = os.open(path, how, mode or 0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
