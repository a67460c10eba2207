"""CSV, TSV, JSON Lines, Parquet and Arrow: one file, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.engine import connect
from core.data.exporting.request import Request, Written
from core.data.lake.view import literal
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
    import duckdb
    import pyarrow as pa

    if kind in ("csv", "tsv", "jsonl"):
        request.refuse_bytes(kind)
    names = [column.name for column in request.columns]
    written = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal written
        for batch in request.batches(names, BATCH):
            written += batch.num_rows
            yield batch.select(names)

    batches = counted()
    first = next(batches, None)
    if first is None:
        raise UsageError("there are no rows to write", where=request.version.ref)
    rest = chain([first], batches)
    if kind == "arrow":
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, first.schema) as file:
            for batch in rest:
                file.write_batch(batch)
        return Written(written)
    stream = pa.RecordBatchReader.from_batches(first.schema, rest)
    try:
        with connect() as connection:
            connection.register("stream", stream)
            place = literal(str(path))
            connection.execute(f"COPY (SELECT * FROM stream) TO {place} ({COPY[kind]})")
    except duckdb.Error as error:
        request.go_on()
        raise LeptonError(
            f"the rows cannot be written: {str(error).splitlines()[0][:200]}", where=str(path)
        ) from error
    return Written(written)
