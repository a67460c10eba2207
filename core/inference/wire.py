"""How the engine and those who ask it write to each other.

A message is JSON, and behind it the bytes that it holds, as they are: a picture is neither written
as text nor read from one. Before both stand their lengths, in four bytes each.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

MOST_BYTES = 1 << 30
CHUNK = 1 << 16
"""Bytes that are read at once: as much as is had without asking the system for pages."""
_LENGTHS = struct.Struct(">II")


def frame(message: Message) -> bytes:
    """The message as it travels.

    Raises:
        ValueError: it is longer than `MOST_BYTES`.
    """
    parts: list[bytes | bytearray | memoryview] = []
    size = 0

    def behind(value: Any) -> dict[str, list[int]]:
        nonlocal size
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"{type(value).__name__} cannot be sent")
        parts.append(value)
        start, size = size, size + len(value)
        return {"$bytes": [start, len(value)]}

    text = json.dumps(message, default=behind).encode()
    if len(text) + size > MOST_BYTES:
        raise ValueError(f"{len(text) + size:,} bytes are too many for one message")
    return b"".join([_LENGTHS.pack(len(text), size), text, *parts])


class Incoming:
    """The messages in what comes, in whatever pieces it does."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole with this.

        Raises:
            ConnectionError: the other side is none of ours.
        """
        held = self._held
        held += data
        while len(held) >= _LENGTHS.size:
            text, size = _LENGTHS.unpack_from(held)
            if text + size > MOST_BYTES:
                told = f"a message of {text + size:,} bytes: the other side is none of ours"
                raise ConnectionError(told)
            start = _LENGTHS.size + text
            if len(held) < start + size:
                return
            whole = bytes(memoryview(held)[: start + size])
            del held[: start + size]
            yield _read(whole, start)


def _read(whole: bytes, start: int) -> Message:
    text = whole[_LENGTHS.size : start]
    try:
        if start == len(whole):
            return dict(json.loads(text))
        return dict(json.loads(text, object_hook=partial(_with_bytes, memoryview(whole)[start:])))
    except (ValueError, TypeError) as error:
        raise ConnectionError(f"no message of ours: {error}") from error


def _with_bytes(behind: memoryview, found: dict[str, Any]) -> Any:
    """The bytes that stand behind, where this says which: by their start and their length."""
    match found:
        case {"$bytes": [int(start), int(length)]} if len(found) == 1:
            return bytes(behind[start : start + length])
    return found
