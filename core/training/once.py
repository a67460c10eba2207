"""One process makes a thing, and the others that need it wait, however many begin at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.flock import locked
from core.runs.job import Stopped
from core.workspace import Workspace

LOOK_SECONDS = 0.1


@contextmanager
def by_one(
    workspace: Workspace,
    key: str,
    *,
    waiting: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold what `key` names, once nobody else does; `waiting` is told when somebody does.

    The system lets go of it when the process ends, even by a kill: then the next one is to look
    what is there, and make it. Where the file system has no locks, nobody is waited for.

    Raises:
        Stopped: `should_stop` said so.
    """
    path = workspace.tmp / f"{key}.making"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # A full disk is told by those who need its room.
        yield
        return
    try:
        told = False
        while not _taken(descriptor):
            if not told:
                waiting()
                told = True
            if should_stop():
                raise Stopped
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            # Those who wait have it open; who comes later finds what was made.
            with suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        return locked(descriptor)
    except OSError:
        return True
