"""The event log of a run: one JSON object a line, appended by the run, read by whoever watches.

Every event has `time` (Unix seconds) and `event` (its name). The numbers that JSON has no word for
are written as the strings "NaN", "Infinity" and "-Infinity", so that the file stays valid JSON, and
the reader gives them back as floats. In `log` and `state` events, which hold words, strings stay
strings.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from core.errors import FULL, DiskFullError, LeptonError

Event = dict[str, Any]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WORDS_ONLY = frozenset({"log", "state"})


def marker(event: str) -> bytes:
    """The bytes that every line of this event holds: it can be found without parsing."""
    return b'"event":' + json.dumps(event).encode()


def encode(event: Event) -> bytes:
    """One line. Paths become strings, scalars of numpy and torch become plain numbers."""
    text = json.dumps(_plain(event), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A lone surrogate (a file name that is not UTF-8) must not stop a run from being recorded.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes) -> Event | None:
    """The event of a whole line; None when the line is not one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    if event["event"] in _WORDS_ONLY or not (b'"NaN"' in line or b'Infinity"' in line):
        return event
    return {key: value if key == "event" else _restored(value) for key, value in event.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    return value


class EventWriter:
    """Appends events, each with one `write`: no reader waits, and a kill tears one line at most.

    Safe to use from several threads and from a signal handler.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # A signal handler runs in the thread it interrupts, which may be writing at that moment.
        self._lock = threading.RLock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise _cannot_write(path, error) from error
        self._torn = _ends_torn(self._file)

    def write(self, event: str, **fields: Any) -> None:
        """Record that something happened, now.

        Raises:
            LeptonError: the file cannot be written (the disk is full, for one).
        """
        line = encode({"time": time.time(), "event": event, **fields})
        with self._lock:
            content = b"\n" + line if self._torn else line
            try:
                self._torn = True
                written = os.write(self._file, content)
                while written < len(content):
                    written += os.write(self._file, content[written:])
                self._torn = False
                if event == "state":
                    os.fsync(self._file)
            except OSError as error:
                raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        with self._lock:
            os.close(self._file)

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventReader:
    """Reads an event log that may still be growing, a bounded piece at a time.

    A last line without its newline is not read yet: the next `read` tries it again. A whole line
    that is not an event (torn by a kill, then ended by the resumed run) is left out and counted.
    """

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.skipped = 0

    def read(self, *, limit: int = 256 * 1024) -> list[Event]:
        """The next events, from about `limit` bytes at most; an empty list at the file's end."""
        events: list[Event] = []
        try:
            with self.path.open("rb") as file:
                # A piece of nothing but broken lines is not the end of the file.
                while not events and (lines := self._whole_lines(file.fileno(), limit)):
                    for line in lines:
                        event = decode(line)
                        if event is not None:
                            events.append(event)
                        elif line.strip():
                            self.skipped += 1
        except FileNotFoundError:
            pass
        return events

    def read_all(self) -> list[Event]:
        """Every event up to the end of the file as it is now."""
        events: list[Event] = []
        while piece := self.read():
            events += piece
        return events

    def _whole_lines(self, file: int, limit: int) -> list[bytes]:
        content = os.pread(file, limit, self.offset)
        end = content.rfind(b"\n") + 1
        while not end and (more := os.pread(file, limit, self.offset + len(content))):
            content += more
            end = content.rfind(b"\n") + 1
        self.offset += end
        return content[:end].splitlines()


def last_event(content: bytes, event: str, *, end: int | None = None) -> tuple[int, Event] | None:
    """The last event of this name in a log's bytes before `end`, and where its line begins."""
    mark, position = marker(event), len(content) if end is None else end
    while (found := content.rfind(mark, 0, position)) >= 0:
        if placed := _event_at(content, found, event):
            return placed
        position = found
    return None


def first_event(content: bytes, event: str, begin: int = 0) -> Event | None:
    """The first event of this name in a log's bytes from `begin` on."""
    mark, position = marker(event), begin
    while (found := content.find(mark, position)) >= 0:
        if placed := _event_at(content, found, event):
            return placed[1]
        position = found + 1
    return None


def _event_at(content: bytes, place: int, event: str) -> tuple[int, Event] | None:
    """The event of the line around a place, and where that begins; None: it is another, or torn."""
    start, stop = content.rfind(b"\n", 0, place) + 1, content.find(b"\n", place)
    decoded = decode(content[start:stop]) if stop >= 0 else None
    return (start, decoded) if decoded is not None and decoded["event"] == event else None


def placed_events(content: bytes, event: str) -> list[tuple[int, Event]]:
    """Every event of this name in a log's bytes, in order, and where its line begins."""
    events = []
    found = last_event(content, event)
    while found:
        events.append(found)
        found = last_event(content, event, end=found[0])
    return events[::-1]


def _ends_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _cannot_write(path: Path, error: OSError) -> LeptonError:
    kind = DiskFullError if error.errno in FULL else LeptonError
    return kind(
        f"the run's events cannot be written: {error.strerror}",
        where=str(path),
        hint="Make room on the disk or mend its permissions, then resume the run.",
    )
