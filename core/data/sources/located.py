"""A source once it is found: local files, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AS_THEY_CAME = "every file lies there as it came"


@dataclass(frozen=True)
class Located:
    """Local files (or one folder) to read, and what they are called in messages and lineage.

    `names` has one entry for each path: the path itself, or what it is called in an archive or at
    an address. `origins` are the files as they were named or found, before anything was unpacked:
    the archive, not what was in it. `etags` are marks of their content, by the same names, where
    whoever has them gives one; `unchanged` are those that were left where they lie, for they are
    known by such a mark, with what is known of each.
    """

    paths: list[Path]
    names: list[str]
    origins: dict[str, Path] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    unchanged: dict[str, dict[str, Any]] = field(default_factory=dict)
