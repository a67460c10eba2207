"""Rows out of an Arrow IPC stream that a stranger sent: flat, uncompressed, and checked in full."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from core.serving.problems import Refused
from core.serving.settings import Limits

STREAM = "application/vnd.apache.arrow.stream"
_HINT = "Write plain columns with pyarrow.ipc.new_stream, without compression."
_RECORD_BATCH, _DICTIONARY_BATCH = "record batch", "dictionary"


def arrow_rows(body: bytes, limits: Limits) -> list[dict[str, Any]]:
    """The rows of a stream, as plain values.

    Raises:
        Refused: it is none, damaged, compressed, nested, or has too many rows.
    """
    import pyarrow as pa

    try:
        _check_messages(body)
        rows: list[dict[str, Any]] = []
        size = 0
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            _check_schema(reader.schema)
            for batch in reader:
                if len(rows) + batch.num_rows > limits.rows:
                    most = limits.rows
                    what = f"more than {most:,} rows in one request"
                    raise Refused(422, what, hint="Send them in parts.")
                batch.validate(full=True)
                size += _size(batch)
                if size > limits.body:
                    raise Refused(413, f"the rows hold more than {limits.body:,} bytes")
                rows += [
                    {name: _plain(value) for name, value in row.items()}
                    for row in batch.to_pylist()
                ]
    except (pa.ArrowException, OSError, ValueError, IndexError) as error:
        raise Refused(422, f"the body is no Arrow stream: {error}", hint=_HINT) from error
    if not rows:
        raise Refused(422, "the stream has no rows")
    return rows


def _check_messages(body: bytes) -> None:
    """Refuse compressed batches, which could be a thousand times as large as they look."""
    import pyarrow as pa

    with pa.BufferReader(body) as source:
        while True:
            try:
                message = pa.ipc.read_message(source)
            except EOFError:
                return
            if message.type in (_RECORD_BATCH, _DICTIONARY_BATCH) and _compressed(
                bytes(message.metadata), nested=message.type == _DICTIONARY_BATCH
            ):
                raise Refused(415, "compressed Arrow streams are not taken", hint=_HINT)


def _compressed(metadata: bytes, *, nested: bool) -> bool:
    """Whether a batch's flatbuffer names a compression; see Arrow's Message.fbs.

    Raises:
        ValueError: it is damaged.
    """

    def integer(at: int, size: int, *, signed: bool = False) -> int:
        part = metadata[at : at + size]
        if at < 0 or len(part) < size:
            raise ValueError("a damaged message")
        return int.from_bytes(part, "little", signed=signed)

    def field(table: int, number: int) -> int | None:
        """Where a table's field lies; None: it is not there."""
        virtual = table - integer(table, 4, signed=True)
        place = 4 + 2 * number
        if place >= integer(virtual, 2):
            return None
        offset = integer(virtual + place, 2)
        return table + offset if offset else None

    def followed(at: int | None) -> int:
        if at is None:
            raise ValueError("a damaged message")
        return at + integer(at, 4)

    header = followed(field(integer(0, 4), 2))
    batch = followed(field(header, 1)) if nested else header
    return field(batch, 3) is not None


def _check_schema(schema: Any) -> None:
    import pyarrow as pa

    for each in schema:
        kind = each.type
        if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        if not _is_flat(kind):
            raise Refused(415, f"a column of {each.type} is not taken", where=each.name, hint=_HINT)
    if len(set(schema.names)) < len(schema.names):
        raise Refused(422, "two columns have the same name")


def _is_flat(kind: Any) -> bool:
    from pyarrow import types

    return any(
        is_such(kind)
        for is_such in (
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_string,
            types.is_large_string,
            types.is_binary,
            types.is_large_binary,
            types.is_date,
            types.is_timestamp,
            types.is_null,
        )
    )


def _size(batch: Any) -> int:
    """Bytes of its values, each entry of a dictionary counted as often as it is named."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def parts() -> Iterator[int]:
        for column in batch.columns:
            if not pa.types.is_dictionary(column.type):
                yield column.nbytes
                continue
            kind = column.type.value_type
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                lengths = pc.binary_length(column.dictionary).take(column.indices)
                yield pc.sum(lengths).as_py() or 0

    return sum(parts())


def _plain(value: Any) -> Any:
    """The value as JSON would have had it; bytes stay bytes."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return value
