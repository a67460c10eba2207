"""The lineage of a version: all that it came from, all that came of it, and who read each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.data.lake.lake import Lake
from core.data.lake.steps import in_words
from core.data.lake.version import Version
from core.lineage.readers import Reader, readers
from core.workspace import Workspace


@dataclass(frozen=True)
class Relative:
    """A version on the way up or down. `version` is None when it was removed.

    `of` is the relative through which it was found, `depth` how many steps away it is, and `branch`
    how many forks lie between: relatives in one line share it.
    """

    ref: str
    of: str
    depth: int
    branch: int
    version: Version | None
    readers: tuple[Reader, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"of": self.of, "depth": self.depth} | _facts(self.ref, self.version, self.readers)


@dataclass(frozen=True)
class Lineage:
    """A version with its ancestors and descendants, nearest first along each line."""

    version: Version
    readers: tuple[Reader, ...]
    ancestors: tuple[Relative, ...]
    descendants: tuple[Relative, ...]

    def to_json(self) -> dict[str, Any]:
        return _facts(self.version.ref, self.version, self.readers) | {
            "ancestors": [relative.to_json() for relative in self.ancestors],
            "descendants": [relative.to_json() for relative in self.descendants],
        }


def lineage(workspace: Workspace, ref: str | Version) -> Lineage:
    """Find what a version came from and what came of it, in any data set of the workspace.

    Raises:
        UsageError: there is no such data set or version.
    """
    lake = Lake(workspace)
    version = lake.version(ref)
    known = {each.ref: each for newest in lake.datasets() for each in lake.versions(newest.dataset)}
    parents = {each.ref: each.parents for each in known.values()}
    children: dict[str, list[str]] = {}
    for each in sorted(known.values(), key=lambda v: (v.created, v.dataset, v.n)):
        for parent in each.parents:
            children.setdefault(parent, []).append(each.ref)
    by_ref = readers(workspace)
    return Lineage(
        version,
        tuple(by_ref.get(version.ref, ())),
        _line(version.ref, parents, known, by_ref),
        _line(version.ref, children, known, by_ref),
    )


def _line(
    start: str,
    onward: Mapping[str, Sequence[str]],
    known: Mapping[str, Version],
    by_ref: Mapping[str, Sequence[Reader]],
) -> tuple[Relative, ...]:
    """Walk from a version, depth first; who is reached twice is told once."""
    found: list[Relative] = []
    seen = {start}
    waiting = [(ref, start, 1, 0) for ref in reversed(onward.get(start, ()))]
    if len(waiting) > 1:
        waiting = [(ref, of, depth, 1) for ref, of, depth, _ in waiting]
    while waiting:
        ref, of, depth, branch = waiting.pop()
        if ref in seen:
            continue
        seen.add(ref)
        readers_of = tuple(by_ref.get(ref, ()))
        found.append(Relative(ref, of, depth, branch, known.get(ref), readers_of))
        after = onward.get(ref, ())
        deeper = branch + (len(after) > 1)
        waiting += [(each, ref, depth + 1, deeper) for each in reversed(after)]
    return tuple(found)


def _facts(ref: str, version: Version | None, by: Iterable[Reader]) -> dict[str, Any]:
    facts: dict[str, Any] = {"ref": ref, "removed": version is None}
    if version is not None:
        facts |= {"step": in_words(version)} | version.to_json()
    return facts | {"readers": [reader.to_json() for reader in by]}
