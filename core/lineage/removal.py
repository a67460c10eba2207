"""Removing versions: what is in use stays, unless a person insists; what nobody needs can go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.data.labelling.labels import waiting
from core.data.lake import garbage
from core.data.lake.garbage import Freed
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.duration import seconds_of
from core.errors import UsageError
from core.lineage.readers import LIVING, RESUMABLE, Reader, readers
from core.workspace import Workspace

SHOWN = 3
LONGEST_AGE = timedelta(days=100 * 365)


def remove(workspace: Workspace, ref: str, *, force: bool = False) -> list[Version]:
    """Remove a data set, or one version of it; what was removed.

    Raises:
        UsageError: there is none, or something still needs it: a tag, labels that wait to be
            published, a model that was trained on it, a run that is alive or can be resumed.
            `force` removes it all the same.
    """
    lake = Lake(workspace)
    doomed = [lake.version(ref)] if "@" in ref else lake.versions(ref)
    uses = in_use(workspace, doomed)
    if uses and not force:
        more = f" and {len(uses) - SHOWN} more" if len(uses) > SHOWN else ""
        raise UsageError(
            f"{ref} is in use: {'; '.join(uses[:SHOWN])}{more}",
            hint="--force removes it all the same.",
        )
    lake.remove(doomed[0].ref if "@" in ref else ref)
    return doomed


def in_use(workspace: Workspace, versions: Sequence[Version]) -> list[str]:
    """Who needs these versions, each in a few words."""
    by_ref = readers(workspace)
    return _labels_lost(Lake(workspace), versions) + [
        words
        for version in versions
        for words in (
            *(f'the tag "{tag}" is on {version.ref}' for tag in version.tags),
            *(_need(reader, version) for reader in by_ref.get(version.ref, ())),
        )
        if words
    ]


def _labels_lost(lake: Lake, doomed: Sequence[Version]) -> list[str]:
    """The labels that wait for rows which no version would have any more."""
    refs = {version.ref for version in doomed}
    names = dict.fromkeys(version.dataset for version in doomed)
    kept = {v.origin for name in names for v in lake.versions(name) if v.ref not in refs}
    return [
        f"labels of {version.ref} wait to be published ({count:,})"
        for name in names
        for version, count in waiting(lake, name)
        if version.origin not in kept
    ]


def _need(reader: Reader, version: Version) -> str:
    if reader.how == "made":
        return ""
    if reader.kind == "model":
        return f"the model {reader.id} was trained on {version.ref}"
    if reader.state in LIVING:
        return f"the run {reader.id} is reading {version.ref}"
    if reader.state in RESUMABLE:
        return f"the run {reader.id} can be resumed on {version.ref}"
    return ""


def collect_garbage(
    workspace: Workspace,
    *,
    keep: int = 1,
    older: timedelta = timedelta(0),
    dry_run: bool = False,
) -> Freed:
    """Remove old versions that nothing refers to, and what no version needs.

    A version stays when it is among the `keep` newest of its data set, younger than `older`,
    tagged, referred to by a model or by any run that read it, ended or not, or when labels wait
    for its rows.

    Raises:
        UsageError: `keep` is below 1.
    """
    if keep < 1:
        raise UsageError(f"{keep} versions cannot be kept", hint="The newest always stays.")
    return garbage.collect(workspace, lambda: _unneeded(workspace, keep, older), dry_run=dry_run)


def age_of(text: str) -> timedelta:
    """An age as a person writes it: `"12h"`, `"30d"` or `"8w"`.

    Raises:
        UsageError: it is none.
    """
    seconds = seconds_of(text)
    if seconds > LONGEST_AGE.total_seconds():
        raise UsageError(f'"{text}" is too long ago', hint="Write it as 12h, 30d or 8w.")
    return timedelta(seconds=seconds)


def _unneeded(workspace: Workspace, keep: int, older: timedelta) -> list[Version]:
    lake = Lake(workspace)
    needed = {
        ref
        for ref, each in readers(workspace).items()
        if any(reader.how == "read" for reader in each)
    }
    for newest in lake.datasets():
        needed |= {version.ref for version, _ in waiting(lake, newest.dataset)}
    youngest = datetime.now(UTC) - older
    return [
        version
        for newest in lake.datasets()
        for version in lake.versions(newest.dataset)[keep:]
        if not version.tags
        and version.ref not in needed
        and datetime.fromisoformat(version.created) <= youngest
    ]
