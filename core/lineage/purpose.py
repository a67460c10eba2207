"""What a version is for, where it was not said of it but of those that it was made from."""

from __future__ import annotations

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import LeptonError


def task_of_line(lake: Lake, version: Version) -> str | None:
    """The task of a version, or of the nearest one above it whose columns it still has."""
    waiting, seen = [version], {version.ref}
    while waiting:
        each = waiting.pop(0)
        if each.task is not None:
            needed = {*(each.inputs or ()), *((each.target,) if each.target else ())}
            # Of what lacks the target nobody can say that it is for the same.
            return each.task if needed <= set(version.column_names) else None
        for ref in each.parents:
            if ref not in seen:
                seen.add(ref)
                try:
                    waiting.append(lake.version(ref))
                except LeptonError:
                    continue  # It was removed since.
    return None
