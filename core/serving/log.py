"""The service's log: a JSON object a line, written by a thread so that no request waits for it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

from pydantic_core import to_json

_MOST_WAITING = 10_000
_TOGETHER = 0.02
"""Seconds of lines that are written at once."""


class Log:
    """Lines are dropped, and counted, when nobody reads the stream for long."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or _to_stderr
        self._lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="service-log", daemon=True)
        self._thread.start()

    def say(self, event: str, **facts: Any) -> None:
        """One line; facts that are None are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        if self._lines.qsize() < _MOST_WAITING:
            self._lines.put(line | known)
        else:
            self._dropped += 1

    def close(self) -> None:
        """Write what is left; waits a moment at most."""
        self._lines.put(None)
        self._thread.join(2)

    def _work(self) -> None:
        more = True
        while more:
            found = [self._lines.get()]
            # Woken for every line, the thread would be in the way of the requests.
            time.sleep(_TOGETHER)
            while not self._lines.empty():
                found.append(self._lines.get())
            lines = [line for line in found if line is not None]
            more = len(lines) == len(found)
            if lines and self._dropped:
                lines[0]["dropped_lines"], self._dropped = self._dropped, 0
            texts = (to_json(line, inf_nan_mode="null", fallback=str) for line in lines)
            self._write("".join(f"{text.decode()}\n" for text in texts))


def _to_stderr(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return
