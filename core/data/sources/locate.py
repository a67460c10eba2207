"""Where a source lies: a path, a pattern, an archive, an address; here it becomes local files."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from core.data.sources.desk import Desk
from core.errors import UsageError


@dataclass(frozen=True)
class Located:
    """Local files (or one folder) to read, and what they are called in messages and lineage.

    `names` has one entry for each path: the path itself, or what it is called in an archive or at
    an address.
    """

    paths: list[Path]
    names: list[str]


def locate(desk: Desk, source: str) -> Located:
    """Find what `source` names, fetching or unpacking it into scratch files where that is needed.

    Raises:
        UsageError: no file matches a pattern.
        LeptonError: an archive is damaged or too large, or an address does not answer.
    """
    path = Path(source).expanduser()
    if not path.exists() and glob.has_magic(str(path)):
        matched = [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        files = [found for found in matched if found.is_file()]
        if not files:
            raise UsageError("no file matches", where=source, hint="Check the pattern.")
        return Located(files, [str(file) for file in files])
    return Located([path], [str(path)])
