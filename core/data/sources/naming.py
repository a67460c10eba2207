"""What a data set is called when nobody says, and what columns are where names are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from core.data.lake.names import as_name
from core.data.sources.desk import Desk
from core.data.sources.formats import BY_SUFFIX, PACKED, TEXT_SUFFIXES
from core.workspace import written_path


def default_name(source: str) -> str:
    """A name for the data set, made from the name of its file or folder."""
    path = written_path(source)
    if "://" in source:
        path = Path(source.partition("?")[0] if source.startswith("http") else source)
        # Of a pattern, its folder has the name that says most.
        while any(mark in path.name for mark in "*[?") and path.parent.name:
            path = path.parent
    last = (path if path.name not in ("", ".", "..") else path.resolve()).name
    stem = last.lower().partition("?")[0]
    for ending in ("|".join(PACKED), "|".join(_ENDINGS)):
        stem = re.sub(rf"(\.({ending}))+$", "", stem)
    return as_name(stem) or "dataset"


def column_names(desk: Desk, cells: Sequence[str], *, header: bool = True) -> tuple[str, ...]:
    """A name of its own for each column, out of the cells of the header; without one, numbers."""
    names: list[str] = []
    taken: set[str] = set()
    for i, cell in enumerate(cells):
        named = cell.strip().replace("\n", " ") if header else ""
        name, number = named or f"column{i}", 1
        while name.lower() in taken:
            name, number = f"{named or f'column{i}'}_{number}", number + 1
        if header and name != named:
            said = f'a second column "{named}"' if named else f"column {i + 1}, which has no name,"
            desk.note(f'{said} is called "{name}"')
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


_ENDINGS = [suffix[1:] for suffix in (*TEXT_SUFFIXES, *BY_SUFFIX)]
