"""Which version left rows out: a split or a cleaning comes after the import that did."""

from __future__ import annotations

from core.data.lake.lake import Lake
from core.data.lake.version import Version


def rejecting(lake: Lake, ref: str | Version) -> Version:
    """The version, or the nearest one of its data set that it came from, whose making left rows
    out; the version itself where none did.

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
