"""The lock that says whether a run is alive.

It is that of the run's `lock` file, whose content is the process id of whoever holds it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from core.flock import locked

# A probe holds a shared lock for some microseconds; one that is stopped just then must not hang us.
_PROBE_ENDS = 2.0


def take(path: Path) -> int | None:
    """Lock the file for ourselves: its open descriptor, or None when somebody has it.

    Raises:
        FileNotFoundError: the run was removed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if _taken(descriptor):
            if os.fstat(descriptor).st_ino != path.stat().st_ino:
                raise FileNotFoundError(path)
            os.ftruncate(descriptor, 0)
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _taken(descriptor: int) -> bool:
    deadline = time.monotonic() + _PROBE_ENDS
    while not locked(descriptor):
        # If it can be shared, those who have it only probe and are about to let go.
        if not locked(descriptor, shared=True) or time.monotonic() > deadline:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.001)
    return True


def held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not locked(descriptor, shared=True)
    finally:
        os.close(descriptor)


def write_pid(descriptor: int, pid: int) -> None:
    os.pwrite(descriptor, b"%d\n" % pid, 0)


def read_pid(path: Path) -> int | None:
    """The process id that the holder left; None while there is none."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None
