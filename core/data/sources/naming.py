"""What a data set is called when nobody says."""

from __future__ import annotations

import re
from pathlib import Path

from core.data.sources.formats import BY_SUFFIX, PACKED, TEXT_SUFFIXES


def default_name(source: str) -> str:
    """A name for the data set, made from the name of its file or folder."""
    path = Path(source).expanduser()
    last = (path if path.name not in ("", ".", "..") else path.resolve()).name
    stem = last.lower().partition("?")[0]
    for ending in ("|".join(PACKED), "|".join(_ENDINGS)):
        stem = re.sub(rf"(\.({ending}))+$", "", stem)
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64]
    return name or "dataset"


_ENDINGS = [suffix[1:] for suffix in (*TEXT_SUFFIXES, *BY_SUFFIX)]
