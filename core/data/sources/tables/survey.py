"""A look at a file's bytes, beside DuckDB's reading of its text, for what DuckDB does not tell."""

from __future__ import annotations

import codecs
import re
import threading
from pathlib import Path

CHUNK = 1 << 17
OVERLAP = 3
ZERO, NINE = b"09"
UNDERSCORED = re.compile(rb"[0-9]_[0-9]")


class Survey:
    """Goes through a file in a thread of its own; `plain` and `odd_numbers` wait for its end.

    Python lets go of its lock in all the long steps, so this costs DuckDB a part of one core.
    """

    def __init__(self, path: Path, delimiter: str, longest: int) -> None:
        self._path = path
        self._before = b'\n"' + delimiter.encode()
        ends = re.escape(b"\r\n" + delimiter.encode())
        self._quoted_nothing = re.compile(b"[" + ends + b']""[' + ends + b"]")
        self._empties = False
        self._longest = longest
        self._long: list[int] = []
        self._plain = True
        self._odd = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._look, name=f"survey {path.name}", daemon=True)
        self._thread.start()

    @property
    def plain(self) -> bool:
        """Whether it is UTF-8, without NUL characters, with line ends of one kind.

        Raises:
            OSError: the file cannot be read.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._plain

    @property
    def odd_numbers(self) -> bool:
        """Whether a cell begins with a zero before a digit, or digits stand round a "_".

        DuckDB takes both for numbers, and they are more often names: a postal code, a version.
        """
        self._thread.join()
        return self._odd

    @property
    def quoted_empties(self) -> bool:
        """Whether a cell is two quotation marks with nothing between them."""
        self._thread.join()
        return self._empties

    def long_lines(self) -> list[int]:
        """The numbers, from 1 on, of the lines of more than about `longest` bytes.

        DuckDB tells of those that fit its buffer, and leaves out longer ones without a word.
        """
        self._thread.join()
        numbers, number, at = [], 1, 0
        with self._path.open("rb") as file:
            for place in self._long:
                while at < place:
                    piece = file.read(min(CHUNK, place - at))
                    number += piece.count(b"\n")
                    at += len(piece)
                numbers.append(number)
        return numbers

    def _look(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        feeds = pairs = begin = at = 0
        last = b""
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    if (end := max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))) >= 0:
                        begin = at + end + 1
                    at += len(chunk)
                    if at - begin > self._longest and self._long[-1:] != [begin]:
                        self._long.append(begin)
                    if b"\0" in chunk:
                        self._plain = False
                    if b"\r" in chunk or last.endswith(b"\r"):
                        pairs += chunk.count(b"\r\n") + (last[-1:] + chunk[:1] == b"\r\n")
                        feeds += chunk.count(b"\n")
                    else:
                        feeds += b"\n" in chunk
                    if not chunk.isascii() or decoder.getstate()[0]:
                        decoder.decode(chunk)
                    piece = last + chunk
                    # One character is found ten times quicker than two are, and most files have
                    # no quotation mark at all.
                    if not self._empties and b'"' in piece and b'""' in piece:
                        self._empties = bool(self._quoted_nothing.search(piece))
                    self._odd = self._odd or self._is_odd(piece)
                    last = chunk[-OVERLAP:]
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            self._plain = False
        except OSError as error:
            self._error = error
        if 0 < pairs < feeds:
            self._plain = False

    def _is_odd(self, chunk: bytes) -> bool:
        if b"_" in chunk and UNDERSCORED.search(chunk):
            return True
        import numpy as np

        codes = np.frombuffer(chunk, np.uint8)
        # Whole passes over bytes are quicker than the places of the many zeros.
        begins = codes[:-2] == self._before[0]
        for mark in self._before[1:]:
            if mark in chunk:
                begins |= codes[:-2] == mark
        begins &= codes[1:-1] == ZERO
        # What is below a zero wraps round and is above nine.
        begins &= codes[2:] - ZERO <= NINE - ZERO
        return bool(begins.any())
