"""The elements of the lists in a large JSON object, one by one: the file is never held whole."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from core.errors import LeptonError

PIECE = 1 << 20
LARGEST_ELEMENT = 256 << 20
_SPACE = re.compile(r"[ \t\r\n]*")


def elements(path: Path, keys: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Each element of the lists that the object in a file has under these keys, with its key.

    What stands under other keys is read over.

    Raises:
        LeptonError: it is no JSON, holds no object, or is cut short.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="strict") as file:
            yield from _Reader(file.read).object(keys)
    except (ValueError, RecursionError) as error:
        raise LeptonError(
            f"the JSON is broken: {str(error)[:160]}",
            where=str(path),
            hint="Copy or download it again; nothing was imported.",
        ) from error


class _Reader:
    """A window on the text that moves on as it is read."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._before, self._ended = "", 0, 0, False

    def object(self, keys: Collection[str]) -> Iterator[tuple[str, Any]]:
        self._take("{")
        if self._next() == "}":
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._fault("a key should stand here")
            self._take(":")
            if key in keys and self._next() == "[":
                yield from ((key, each) for each in self._list())
            elif self._next() == "[":
                for _ in self._list():
                    continue
            else:
                self._value()
            if self._next() == "}":
                return
            self._take(",")

    def _list(self) -> Iterator[Any]:
        self._take("[")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._next() == "]":
                self._at += 1
                return
            self._take(",")

    def _next(self) -> str:
        """The next character that is no space; the window stands before it."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise self._fault("it ends too early")

    def _take(self, character: str) -> None:
        if self._next() != character:
            raise self._fault(f"{character} should stand here")
        self._at += 1

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number may go on behind the window.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise
            if len(self._text) - self._at > LARGEST_ELEMENT:
                raise self._fault(f"one element is larger than {LARGEST_ELEMENT:,} characters")
            self._more()

    def _more(self) -> bool:
        """Move the window on: it doubles while one element does not fit into it."""
        held = self._text[self._at :]
        piece = self._read(max(PIECE, len(held)))
        self._before += self._at
        self._text, self._at, self._ended = held + piece, 0, not piece
        return bool(piece)

    def _fault(self, what: str) -> ValueError:
        return ValueError(f"{what}, at character {self._before + self._at:,}")
