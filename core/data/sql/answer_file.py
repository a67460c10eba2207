"""The answer to a statement as a file: there whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.engine import connect
from core.data.exporting.export import SUFFIXES
from core.data.exporting.place import check_place, placed, unwritable
from core.data.exporting.tables import COPY
from core.data.lake.layout import literal
from core.data.sql.sandbox import Stream
from core.errors import LeptonError, UsageError, first_line

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = tuple(ending for ending, kind in SUFFIXES.items() if kind in COPY and ending != ".pq")


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
    if destination.suffix.lower() not in ENDINGS:
        raise UsageError(
            "the ending does not tell the format",
            where=str(destination),
            hint=f"Let it end in {', '.join(ENDINGS)}.",
        )
    check_place(destination, replace=replace)
    with placed(destination) as beside, answering() as answer:
        return _write(beside, destination, answer)


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
        how = COPY[SUFFIXES[destination.suffix.lower()]]
        try:
            connection.execute(f"COPY (SELECT * FROM answer) TO {literal(str(beside))} ({how})")
        except (duckdb.Error, RuntimeError) as error:
            if failure is not None:
                raise failure from error
            raise unwritable(destination, first_line(error)[:200]) from error
    return written
