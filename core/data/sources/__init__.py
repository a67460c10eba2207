"""Import: any supported file or folder becomes the next version of a data set."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake import Lake, valid_name
from core.data.sources.desk import REJECTS_STORED, Arrived, Desk, Progress, Reject
from core.data.sources.detect import FORMATS, detect
from core.data.version import Version
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "ImportReport", "Progress", "Reject", "import_source"]


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
    progress: Progress | None = None,
) -> ImportReport:
    """Import a file or folder as the next version of the data set `name`.

    Read are CSV and TSV (also gzipped), JSON Lines (also gzipped, or one array), Parquet (a file, a
    folder or a pattern), a folder of images by class, and IDX files. Without a name the file's own
    is used. `task`, `target` and `inputs` are noted with the version as they are given.

    Raises:
        UsageError: the source is missing, empty, or not what it is said to be; a name that cannot
            be one; a target or input column that is not there.
        LeptonError: the source is damaged, or more of it had to be rejected than could be kept.
        In every case the lake stays as it was.
    """
    if not str(source):
        raise UsageError("no source is named", hint="Name a file, a folder or a built-in data set.")
    named = valid_name(name) if name is not None else default_name(str(source))
    path = Path(source).expanduser()
    pattern = not path.exists() and glob.has_magic(str(path))
    matched = [Path(found) for found in sorted(glob.glob(str(path)))] if pattern else []  # noqa: PTH207
    if pattern and not matched:
        raise UsageError("no file matches", where=str(source), hint="Check the pattern.")
    with Desk(lake.workspace, path, progress) as desk:
        if pattern:
            kind = "parquet"
            for file in matched:
                detect(file, kind)
            arrived = _read(desk, kind, matched)
        else:
            kind = detect(path, format)
            arrived = _read(desk, kind, [path])
        return commit_arrived(
            lake,
            desk,
            arrived,
            named,
            op="import",
            params={"source": str(path.absolute()), "format": kind, **_fingerprint(path)},
            task=task,
            target=target,
            inputs=inputs,
        )


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
    query = isinstance(arrived.rows, str)
    if query:
        params.update(_told(desk))
    try:
        version = lake.commit(
            name,
            arrived.rows if query else _telling(arrived.rows, desk, params),
            op=op,
            params=params,
            media=arrived.media,
            task=task,
            target=target,
            inputs=inputs,
            connection=desk.connection if query else None,
        )
    except (LeptonError, duckdb.Error) as error:
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
    stem = re.sub(r"\.(gz|csv|tsv|tab|parquet|pq|jsonl|ndjson|json|txt)$", "", last.lower())
    stem = re.sub(r"\.(csv|tsv|tab|jsonl|ndjson|json|txt)$", "", stem)
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64]
    return name or "dataset"


def _read(desk: Desk, kind: str, paths: list[Path]) -> Arrived:
    path = paths[0]
    if kind in ("csv", "tsv"):
        from core.data.sources.delimited import read_delimited

        return read_delimited(desk, path, tabs=kind == "tsv")
    if kind == "jsonl":
        from core.data.sources.json_lines import read_json_lines

        return read_json_lines(desk, path)
    if kind == "parquet":
        from core.data.sources.parquet import parquet_files, read_parquet

        return read_parquet(desk, parquet_files(path) if path.is_dir() else paths)
    if kind == "idx":
        from core.data.sources.idx import find_pairs, read_idx

        return read_idx(desk, find_pairs(path))
    from core.data.sources.image_folder import read_images

    return read_images(desk, path)


def _fingerprint(path: Path) -> dict[str, Any]:
    """The SHA-256 of a source file: whether two imports read the same bytes can be seen later."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _telling(rows: Any, desk: Desk, params: dict[str, Any]) -> pa.RecordBatchReader:
    """The same stream, which at its end adds what was rejected to the step's parameters."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        yield from rows
        params.update(_told(desk))

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _told(desk: Desk) -> dict[str, Any]:
    if not desk.rejected:
        return {}
    shown = [reject.to_json() for reject in desk.rejects[:REJECTS_STORED]]
    return {"rejected": desk.rejected, "rejects": shown}
