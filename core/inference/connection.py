"""One connection to the engine's process, with the requests that wait on it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from core.errors import LeptonError
from core.inference.door import Door
from core.inference.faults import EngineEnded, fault
from core.inference.hearing import Hear
from core.inference.wire import Message, frame, messages

MOST_TRIES = 3
ENDING_SECONDS = 5.0
_LOG_BYTES = 4096


class _Waiting(NamedTuple):
    request: Message
    reply: Future[Any]
    hear: Hear | None
    """Is told what comes before the reply."""


Again: TypeAlias = Callable[[Message, Future[Any], Hear | None], None]


class Connection:
    """Opened when it is made. What the engine had no time for when it left is asked `again`.

    Raises:
        LeptonError: the engine cannot be reached.
    """

    def __init__(self, door: Door, again: Again) -> None:
        self.pid: int | None = None
        self.alive = True
        self._door = door
        self._again = again
        self._pending: dict[int, _Waiting] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self._left = False
        self._socket, self._process = door.connect()
        self._reader = threading.Thread(target=self._read, name="engine-replies", daemon=True)
        self._reader.start()

    def send(self, request: Message, reply: Future[Any], hear: Hear | None = None) -> None:
        """Ask; the reply fails when the engine ends before it answers. `hear` is told the parts of
        an answer that has some, and may not wait."""
        waiting = _Waiting(request, reply, hear)
        with self._lock:
            if there := self.alive:
                self._pending[request["id"]] = waiting
        if not there:
            self._lose(waiting)
            return
        reply.add_done_callback(partial(self._take_back, request["id"]))
        try:
            self._write(request)
        except ValueError as error:
            with self._lock:
                self._pending.pop(request["id"], None)
            fail(reply, LeptonError(f"this cannot be asked at once: {error}"))

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._hang_up()
        self._reader.join()

    def _take_back(self, number: int, reply: Future[Any]) -> None:
        if not reply.cancelled():
            return
        with self._lock:
            mine = self._pending.pop(number, None)
        if mine is not None:
            self._write({"id": 0, "op": "cancel", "request": number})

    def _write(self, request: Message) -> None:
        sent = frame(request)
        # The reader fails what waits when the engine is gone.
        with self._writing, suppress(OSError):
            self._socket.sendall(sent)

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(2)

    def _read(self) -> None:
        with suppress(OSError), self._socket.makefile("rb") as stream:
            for message in messages(stream):
                if "hello" in message:
                    self.pid = message["hello"]
                elif "bye" in message:
                    self._left = True
                else:
                    self._hear(message)
        with self._lock:
            self.alive = False
            left = list(self._pending.values())
            self._pending.clear()
        self._socket.close()
        if self._process is not None and not self._closed:
            # How it ended is told a moment after its connections close.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDING_SECONDS)
        for waiting in left:
            self._lose(waiting)

    def _hear(self, message: Message) -> None:
        if "part" in message:
            with self._lock:
                listening = self._pending.get(message["id"])
            if listening is not None and listening.hear is not None:
                listening.hear(message["part"])
            return
        with self._lock:
            waiting = self._pending.pop(message["id"], None)
        if waiting is None or not waiting.reply.set_running_or_notify_cancel():
            return
        if "error" in message:
            waiting.reply.set_exception(fault(message["error"]))
        else:
            waiting.reply.set_result(message["result"])

    def _lose(self, waiting: _Waiting) -> None:
        """Ask again what an engine did not hear that left or was leaving; fail the rest."""
        request, reply, hear = waiting
        unheard = self._left or (self.pid is None and self._process is None)
        tries = request.get("tries", 0)
        if self._closed or not unheard or tries == MOST_TRIES:
            fail(reply, self._ended())
        elif not reply.cancelled():
            self._again({**request, "tries": tries + 1}, reply, hear)

    def _ended(self) -> LeptonError:
        if self._closed:
            return LeptonError("the engine was closed before it answered")
        how, killed = _how(self._process)
        hint = "Ask again: it starts anew."
        if killed:
            hint += " If memory ran out, try fewer rows or a smaller model."
        return EngineEnded(
            f"the engine ended while it was at work{how}", where=self._last_words(), hint=hint
        )

    def _last_words(self) -> str:
        try:
            told = self._door.log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(told.split("\n")) if line.strip()), "")


def _how(process: subprocess.Popen[bytes] | None) -> tuple[str, bool]:
    """How it ended, which only who started it can tell, and whether it was killed."""
    code = None if process is None else process.poll()
    if code is None:
        return "", False
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f" ({name})", code == -signal.SIGKILL


def fail(reply: Future[Any], error: LeptonError) -> None:
    """Tell who waits; nobody does where it was cancelled."""
    if reply.set_running_or_notify_cancel():
        reply.set_exception(error)
