"""What a source is, file or folder."""

from __future__ import annotations

import os
from pathlib import Path

from core.data.sources.file_kind import file_kind
from core.data.sources.folder_kind import folder_kind
from core.data.sources.formats import FORMATS
from core.errors import UsageError, nearest


def detect(path: Path, named: str | None = None) -> str:
    """The format of a file or folder, one of `FORMATS`.

    `named` is what the caller says it is. Content decides; a name or a caller that says otherwise
    is told so.

    Raises:
        UsageError: missing, empty, unreadable, or not what it is said to be.
    """
    if named is not None and named not in FORMATS:
        raise UsageError(f'no format "{named}"', hint=nearest(named, FORMATS))
    if not path.exists():
        there = path.parent.is_dir() and os.access(path.parent, os.R_OK | os.X_OK)
        beside = [p.name for p in path.parent.iterdir()] if there else []
        raise UsageError("no such file or folder", where=str(path), hint=nearest(path.name, beside))
    if not path.is_dir():
        return file_kind(path, named)
    return named or folder_kind(path)
