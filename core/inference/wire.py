"""How the engine and those who ask it write to each other: JSON after its length in four bytes."""

from __future__ import annotations

import json
import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO, TypeAlias

Message: TypeAlias = dict[str, Any]

MOST_BYTES = 1 << 30
_LENGTH = struct.Struct(">I")


def frame(message: Message) -> bytes:
    """The message as it travels.

    Raises:
        ValueError: it is longer than `MOST_BYTES`.
    """
    body = json.dumps(message).encode()
    if len(body) > MOST_BYTES:
        raise ValueError(f"{len(body):,} bytes are too many for one message")
    return _LENGTH.pack(len(body)) + body


def messages(stream: BinaryIO) -> Iterator[Message]:
    """The messages that come, until the other side is gone.

    Raises:
        OSError: the connection broke.
    """
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        body = stream.read(length := _length(head))
        if len(body) < length:
            return
        yield json.loads(body)


async def messages_of(stream: StreamReader) -> AsyncIterator[Message]:
    """The messages that come, until the other side is gone."""
    while True:
        try:
            head = await stream.readexactly(_LENGTH.size)
            body = await stream.readexactly(_length(head))
        except (IncompleteReadError, ConnectionError):
            return
        yield json.loads(body)


def _length(head: bytes) -> int:
    (length,) = _LENGTH.unpack(head)
    if length > MOST_BYTES:
        raise ConnectionError(f"a message of {length:,} bytes: the other side is none of ours")
    return int(length)
