"""Keeping what a reader hands over, and telling what was left out."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.sources.desk import Arrived, Desk, Reject
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ImportReport:
    """What an import made, what it left out (the first hundred, and their number), what to know."""

    version: Version
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)
    failed_rules: int = 0
    added: int | None = None
    """Rows that came to those that were there; None where all of a source was brought in."""

    def to_json(self) -> dict[str, Any]:
        return {
            **self.version.to_json(),
            "rejected": self.rejected,
            "rejects": [reject.to_json() for reject in self.rejects],
            "notes": self.notes,
            "failed_rules": self.failed_rules,
            "added": self.added,
        }


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

    for column in (target, *(inputs or ())):
        if column is not None and column not in arrived.columns:
            raise UsageError(
                f'no column "{column}"',
                where=str(desk.source),
                hint=nearest(column, arrived.columns),
            )
    known = {version.dataset for version in lake.datasets()}
    params = dict(params)
    with telling(desk):
        version = lake.commit(
            name,
            arrived.rows,
            op=op,
            params=params,
            media=arrived.media,
            task=task,
            target=target,
            inputs=inputs,
            connection=desk.connection if isinstance(arrived.rows, str | Path) else None,
            in_order=arrived.in_order,
            rejects=lambda: left_out(desk, params),
        )
    if name in known:
        desk.note(f'there was a data set "{name}" already; this is its version {version.n}')
    return ImportReport(version, desk.rejects, desk.rejected, desk.notes)


def left_out(desk: Desk, params: dict[str, Any]) -> pa.Table | None:
    """The table of rejects for the lake, once the rows are written; their number is a parameter.

    Raises:
        Cancelled: somebody wants no more of the import; from here on it cannot be.
    """
    desk.check()
    if desk.rejected:
        params["rejected"] = desk.rejected
    return desk.rejected_rows()


def _takes_no_more(error: Exception) -> bool:
    """Whether it was the disk of the workspace that refused, and not the source."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return type(error).__name__ == "IOException" and "write" in str(error).lower()


@contextmanager
def telling(desk: Desk) -> Iterator[None]:
    """Let what goes wrong while rows are read be told as what is wrong with the source.

    Raises:
        LeptonError: the rows cannot be read.
        Cancelled: that was why.
    """
    import duckdb

    try:
        yield
    except (LeptonError, duckdb.Error, OSError) as error:
        desk.check()
        if desk.failure is not None and desk.failure is not error:
            raise desk.failure from error
        if isinstance(error, LeptonError):
            raise
        if _takes_no_more(error):
            raise LeptonError(
                f"the data could not be written: {str(error).splitlines()[0][:200]}",
                where=str(desk.workspace.tmp),
                hint="Check that the disk has room; nothing was changed.",
            ) from error
        raise LeptonError(
            f"the rows cannot be read: {str(error).splitlines()[0][:200]}",
            where=str(desk.source),
            hint="Nothing was imported.",
        ) from error
