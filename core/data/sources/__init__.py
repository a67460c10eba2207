"""Import: any supported file or folder becomes the next version of a data set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake import Lake, valid_name
from core.data.sources.desk import Arrived, Desk, Options, Progress, Reject
from core.data.sources.detect import detect
from core.data.sources.formats import FORMATS, SPOKEN
from core.data.sources.locate import Located, locate
from core.data.version import Version
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "ImportReport", "Options", "Progress", "Reject", "import_source"]


@dataclass(frozen=True)
class ImportReport:
    """What an import made, what it left out (the first hundred, and their number), what to know."""

    version: Version
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.version.to_json(),
            "rejected": self.rejected,
            "rejects": [reject.to_json() for reject in self.rejects],
            "notes": self.notes,
        }


def import_source(
    lake: Lake,
    source: str | Path,
    name: str | None = None,
    *,
    target: str | None = None,
    task: str | None = None,
    inputs: Sequence[str] | None = None,
    format: str | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> ImportReport:
    """Import a file, a folder, a pattern, an archive or an address as the next version of `name`.

    `FORMATS` lists what can be read. Without a name the source's own is used. `task`, `target` and
    `inputs` are noted with the version as they are given.

    Raises:
        UsageError: the source is missing, empty, or not what it is said to be; a name that cannot
            be one; a target or input column that is not there.
        LeptonError: the source is damaged, or more of it had to be rejected than could be kept.
        Cancelled: `should_stop` said so.
        In every case the lake stays as it was.
    """
    if not str(source):
        raise UsageError("no source is named", hint="Name a file, a folder or a built-in data set.")
    named = valid_name(name) if name is not None else default_name(str(source))
    path = Path(source).expanduser()
    with Desk(
        lake.workspace, str(path), progress, options=options, should_stop=should_stop
    ) as desk:
        located = locate(desk, str(source))
        kind = kind_of(located, format)
        return commit_arrived(
            lake,
            desk,
            FORMATS[kind].reader(desk, located.paths),
            named,
            op="import",
            params={
                "source": str(path.absolute()) if path.exists() else str(source),
                "format": kind,
                "files": fingerprints(located),
            },
            task=task,
            target=target,
            inputs=inputs,
        )


def kind_of(located: Located, named: str | None) -> str:
    """The one format of all the files.

    Raises:
        UsageError: a file cannot be read, or the files are of several formats.
    """
    kinds = {detect(path, named): path for path in located.paths}
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise UsageError(
            f"the files are of several formats: {SPOKEN[one]} and {SPOKEN[other]}",
            where=f"{first} beside {second}",
            hint="Import files of one format at a time.",
        )
    return next(iter(kinds))


def commit_arrived(
    lake: Lake,
    desk: Desk,
    arrived: Arrived,
    name: str,
    *,
    op: str,
    params: dict[str, Any],
    task: str | None = None,
    target: str | None = None,
    inputs: Sequence[str] | None = None,
) -> ImportReport:
    """Commit what a reader handed over, and tell what was left out.

    A stream is read, and may fail, only while it is written; the lake then keeps nothing of it.
    """
    import duckdb

    for column in (target, *(inputs or ())):
        if column is not None and column not in arrived.columns:
            raise UsageError(
                f'no column "{column}"',
                where=str(desk.source),
                hint=nearest(column, arrived.columns),
            )
    known = {version.dataset for version in lake.datasets()}
    params = dict(params)

    def left_out() -> pa.Table | None:
        if desk.rejected:
            params["rejected"] = desk.rejected
        return desk.rejected_rows()

    try:
        version = lake.commit(
            name,
            arrived.rows,
            op=op,
            params=params,
            media=arrived.media,
            task=task,
            target=target,
            inputs=inputs,
            connection=desk.connection if isinstance(arrived.rows, str) else None,
            rejects=left_out,
        )
    except (LeptonError, duckdb.Error) as error:
        desk.check()
        if desk.failure is not None:
            raise desk.failure from error
        if isinstance(error, LeptonError):
            raise
        raise LeptonError(
            f"the rows cannot be read: {str(error).splitlines()[0][:200]}",
            where=str(desk.source),
            hint="Nothing was imported.",
        ) from error
    if name in known:
        desk.note(f'there was a data set "{name}" already; this is its version {version.n}')
    return ImportReport(version, desk.rejects, desk.rejected, desk.notes)


def default_name(source: str) -> str:
    """A name for the data set, made from the name of its file or folder."""
    path = Path(source).expanduser()
    last = (path if path.name not in ("", ".", "..") else path.resolve()).name
    stem = last.lower().partition("?")[0]
    for ending in (r"(gz|zst|bz2|xz|zip|tar|tgz)", "|".join(_ENDINGS)):
        stem = re.sub(rf"(\.({ending}))+$", "", stem)
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64]
    return name or "dataset"


_ENDINGS = ["txt", *(suffix[1:] for each in FORMATS.values() for suffix in each.suffixes)]


def fingerprints(located: Located) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file that was named, so that what is new can be told later."""
    found: dict[str, dict[str, Any]] = {}
    for path, name in zip(located.paths, located.names, strict=True):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return found
