"""The rows that were left out when a version was made, and which version that was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import LeptonError

if TYPE_CHECKING:
    import pyarrow as pa

REJECT_COLUMNS = ("file", "position", "reason", "column", "value")


def rejecting(lake: Lake, ref: str | Version) -> Version:
    """The version, or the nearest one of its data set that it came from, whose making left rows
    out; the version itself where none did. A split or a cleaning comes after the import that did.

    Raises:
        UsageError: no such data set or version.
    """
    version = lake.version(ref)
    known = {each.ref: each for each in lake.versions(version.dataset)}
    waiting, seen = [version], {version.ref}
    while waiting:
        each = waiting.pop(0)
        if each.rejects is not None:
            return each
        parents = [ref for ref in each.parents if ref in known and ref not in seen]
        seen.update(parents)
        waiting += (known[ref] for ref in parents)
    return version


def rejected_rows(lake: Lake, ref: str | Version) -> pa.Table:
    """What was left out when a version was made: (file, position, reason, column, value).

    Raises:
        LeptonError: the file that keeps it is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    version = lake.version(ref)
    if version.rejects is None:
        return pa.table({name: pa.array([], pa.string()) for name in REJECT_COLUMNS})
    path = lake.workspace.data / version.rejects.name
    if not path.exists():
        raise LeptonError(f"the table of what {version.ref} left out is missing", where=str(path))
    return pq.read_table(path)
