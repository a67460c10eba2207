"""Opening a file that is named, only if it is one: a pipe or a device may keep who reads it for
ever, or never end."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from core.errors import UsageError


def opened(path: Path) -> BinaryIO:
    """The file, to be read.

    Raises:
        UsageError: it is a pipe, a socket or a device.
        OSError: it cannot be opened.
    """
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        # It would be read more than once, and nobody may ever write into it.
        raise UsageError(
            "this is a pipe, not a file",
            where=str(path),
            hint="Write what comes through it into a file first.",
        )
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError("this is a device, not a file", where=str(path), hint="Name a file.")
    return path.open("rb")


def bytes_in(path: Path) -> bytes:
    """All that a file holds; raises what `opened` does."""
    with opened(path) as file:
        return file.read()
