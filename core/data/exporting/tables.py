"""CSV, TSV, JSON Lines, Parquet and Arrow: one file, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.engine import connect
from core.data.exporting.request import Request, Written
from core.data.lake.view import literal, quoted
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

COPY = {
    "csv": "FORMAT csv, HEADER",
    "tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    "parquet": "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2",
    "jsonl": "FORMAT json",
}
BATCH = 8192


def write(request: Request, path: Path, kind: str) -> Written:
    """Stream the rows to one file of a kind in `COPY`, or to an Arrow file.

    Raises:
        UsageError: there are no rows, or bytes where the format has none.
        LeptonError: DuckDB cannot write them.
        Cancelled: somebody wants them no more.
    """
    if kind in ("csv", "tsv", "jsonl"):
        request.refuse_bytes(kind)
    names = [column.name for column in request.columns]
    batches = (batch.select(names) for batch in request.batches(names, BATCH))
    written = write_batches(batches, path, kind)
    if not written:
        raise UsageError("there are no rows to write", where=request.version.ref)
    return Written(written)


def write_batches(batches: Iterator[pa.RecordBatch], path: Path, kind: str) -> int:
    """Stream batches of one schema to a file, as they come; how many rows there were.

    Without any there is no file. Lists and structs are JSON in files of delimited text.

    Raises:
        LeptonError: DuckDB cannot write them. What `batches` raises is raised as it is.
    """
    import duckdb
    import pyarrow as pa

    first = next(batches, None)
    if first is None:
        return 0
    stream = _Stream(chain([first], batches))
    try:
        if kind == "arrow":
            with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, first.schema) as file:
                for batch in stream:
                    file.write_batch(batch)
        else:
            _copy(pa.RecordBatchReader.from_batches(first.schema, stream), path, kind)
    except Exception as error:
        if stream.fault is not None:
            # DuckDB tells only that there was one.
            raise stream.fault from None
        if not isinstance(error, duckdb.Error):
            raise
        raise LeptonError(
            f"the rows cannot be written: {str(error).splitlines()[0][:200]}", where=str(path)
        ) from error
    return stream.rows


class _Stream:
    """Batches as they come, with how many rows there were and what went wrong among them."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.rows = 0
        self.fault: BaseException | None = None
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield batch
        except (Exception, KeyboardInterrupt) as error:
            self.fault = error
            raise


def _copy(stream: pa.RecordBatchReader, path: Path, kind: str) -> None:
    import pyarrow as pa

    nested = [field.name for field in stream.schema if pa.types.is_nested(field.type)]
    as_json = ", ".join(f"to_json({quoted(name)}) AS {quoted(name)}" for name in nested)
    changed = f" REPLACE ({as_json})" if nested and kind in ("csv", "tsv") else ""
    with connect() as connection:
        connection.register("stream", stream)
        place = literal(str(path))
        connection.execute(f"COPY (SELECT *{changed} FROM stream) TO {place} ({COPY[kind]})")
