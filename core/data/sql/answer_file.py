"""The answer to a statement as a file: there whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from core.atomic import sync_path
from core.data.engine import connect
from core.data.lake.layout import literal
from core.data.sql.sandbox import Stream
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_COPY = {
    ".csv": "FORMAT csv, HEADER",
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    ".parquet": "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}
ENDINGS = tuple(_COPY)


def write_answer(
    answering: Callable[[], AbstractContextManager[Stream]],
    destination: Path,
    *,
    replace: bool = False,
) -> int:
    """Write an answer to a file, by its ending: CSV, TSV, Parquet, JSON Lines; how many rows.

    The destination is looked at before the answer is asked for.

    Raises:
        UsageError: the ending tells no format; something is there already; or no such folder.
        LeptonError: the answer cannot be had, or the file not written; nothing of it is left.
    """
    if destination.suffix.lower() not in _COPY:
        raise UsageError(
            "the ending does not tell the format",
            where=str(destination),
            hint=f"Let it end in {', '.join(ENDINGS)}.",
        )
    if not destination.parent.is_dir():
        raise UsageError("no such folder", where=str(destination.parent), hint="Make it first.")
    if destination.is_dir() or (destination.exists() and not replace):
        hint = "Name another file." if destination.is_dir() else "--force replaces it."
        raise UsageError("something is there already", where=str(destination), hint=hint)
    beside = destination.with_name(f".{destination.name}.{uuid4().hex[:8]}")
    try:
        with answering() as answer:
            rows = _write(beside, destination, answer)
        sync_path(beside)
        beside.replace(destination)
        sync_path(destination.parent)
    except OSError as error:
        raise _unwritable(destination, error.strerror or str(error)) from error
    finally:
        beside.unlink(missing_ok=True)
    return rows


def _write(beside: Path, destination: Path, answer: Stream) -> int:
    import duckdb
    import pyarrow as pa

    written, failure = 0, None

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal written, failure
        try:
            for batch in answer.batches:
                written += batch.num_rows
                yield batch
        except LeptonError as error:
            # DuckDB, which reads the batches, would tell of it in words of its own.
            failure = error
            raise

    batches = pa.RecordBatchReader.from_batches(answer.schema, counted())
    # The sandbox cannot write, so another DuckDB does, through Arrow.
    with connect() as connection:
        connection.register("answer", batches)
        how = _COPY[destination.suffix.lower()]
        try:
            connection.execute(f"COPY (SELECT * FROM answer) TO {literal(str(beside))} ({how})")
        except (duckdb.Error, RuntimeError) as error:
            if failure is not None:
                raise failure from error
            raise _unwritable(destination, str(error).splitlines()[0][:200]) from error
    return written


def _unwritable(destination: Path, why: str) -> LeptonError:
    return LeptonError(
        f"it cannot be written: {why}",
        where=str(destination),
        hint="Check the disk's room and the folder's permissions.",
    )
