"""One connection to the engine's process, with the requests that wait on it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from core.errors import LeptonError
from core.generation.pieces import Piece, Token
from core.inference.door import Door
from core.inference.faults import EngineEnded, fault
from core.inference.hearing import Hear, on_loop
from core.inference.outgoing import Outgoing
from core.inference.wire import CHUNK, Incoming, Message

MOST_TRIES = 3
ENDING_SECONDS = 5.0
_LOG_BYTES = 4096


class Asked(NamedTuple):
    """A request, and who waits for what: `reply` gets what is `made` of its result, and `hear` is
    told the parts that come before."""

    request: Message
    reply: Future[Any]
    made: Callable[[Any], Any]
    hear: Hear | None = None


Again: TypeAlias = Callable[[Asked], None]


class Connection:
    """Opens as soon as it is made; nobody waits for that. What the engine had no time for when it
    left is asked `again`.

    Replies come by a thread of its own, or on an event loop, where there is one: then no thread
    stands between the socket and who awaits them, and nobody may block that loop for a reply.
    """

    def __init__(
        self, door: Door, again: Again, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.pid: int | None = None
        self.alive = True
        self._door = door
        self._again = again
        self._loop = loop
        self._pending: dict[int, Asked] = {}
        self._lock = threading.RLock()
        self._closed = False
        self._left = False
        self._out = Outgoing()
        self._incoming = Incoming()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._open, name="engine-replies", daemon=True)
        self._thread.start()

    def send(self, asked: Asked) -> None:
        """Ask, without waiting; the reply fails when the engine ends before it answers. `hear` and
        `made` may not wait either."""
        number = asked.request["id"]
        with self._lock:
            if there := self.alive:
                self._pending[number] = asked
        if not there:
            self._lose(asked)
            return
        asked.reply.add_done_callback(partial(self._take_back, number))
        try:
            self._out.send(asked.request, number)
        except ValueError as error:
            with self._lock:
                self._pending.pop(number, None)
            fail(asked.reply, LeptonError(f"this cannot be asked at once: {error}"))

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._closed = True
            there = self._socket
        if there is not None:
            _hang_up(there)
        self._thread.join()
        if self._loop is not None and self._loop.is_closed():
            # It hears nothing any more.
            self._end()

    def _open(self) -> None:
        try:
            there, self._process = self._door.connect()
        except LeptonError as error:
            self._end(error)
            return
        with self._lock:
            self._socket = there
            if self._closed:
                _hang_up(there)
        self._out.open(there)
        if self._loop is not None:
            on_loop(self._loop, self._loop.add_reader, there.fileno(), self._readable, there)
            return
        with suppress(OSError):
            while data := there.recv(CHUNK):
                self._take(data)
        self._end()

    def _readable(self, there: socket.socket) -> None:
        assert self._loop is not None
        try:
            data = there.recv(CHUNK, socket.MSG_DONTWAIT)
            self._take(data)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(there.fileno())
            # It waits for the process to be over.
            threading.Thread(target=self._end, name="engine-ended", daemon=True).start()

    def _take(self, data: bytes) -> None:
        for message in self._incoming.feed(data):
            if "hello" in message:
                self.pid = message["hello"]
            elif "bye" in message:
                self._left = True
            else:
                self._hear(message)

    def _hear(self, message: Message) -> None:
        if "part" in message:
            with self._lock:
                listening = self._pending.get(message["id"])
            if listening is not None and listening.hear is not None:
                tokens = [Token.from_json(each) for each in message.get("tokens", ())]
                listening.hear(Piece(message["part"], None, tokens))
            return
        with self._lock:
            asked = self._pending.pop(message["id"], None)
        if asked is None or not asked.reply.set_running_or_notify_cancel():
            return
        try:
            if "error" in message:
                raise fault(message["error"])
            made = asked.made(message["result"])
        except Exception as error:
            asked.reply.set_exception(error)
        else:
            asked.reply.set_result(made)

    def _take_back(self, number: int, reply: Future[Any]) -> None:
        if not reply.cancelled():
            return
        with self._lock:
            mine = self._pending.pop(number, None)
        if mine is not None and not self._out.take_back(number):
            self._out.send({"id": 0, "op": "cancel", "request": number})

    def _end(self, error: LeptonError | None = None) -> None:
        """Nobody is at the other end, or ever was: then `error` says why."""
        with self._lock:
            self.alive = False
            left = list(self._pending.values())
            self._pending.clear()
        self._out.close()
        if self._socket is not None:
            # First, for the thread that may be sending.
            _hang_up(self._socket)
            self._socket.close()
        if self._process is not None and not self._closed:
            # How it ended is told a moment after its connections close.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDING_SECONDS)
        for asked in left:
            if error is None:
                self._lose(asked)
            else:
                fail(asked.reply, error)

    def _lose(self, asked: Asked) -> None:
        """Ask again what an engine did not hear that left or was leaving; fail the rest."""
        unheard = self._left or (self.pid is None and self._process is None)
        tries = asked.request.get("tries", 0)
        if self._closed or not unheard or tries == MOST_TRIES:
            fail(asked.reply, self._ended())
        elif not asked.reply.cancelled():
            self._again(asked._replace(request={**asked.request, "tries": tries + 1}))

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


def _hang_up(there: socket.socket) -> None:
    with suppress(OSError):
        there.shutdown(socket.SHUT_RDWR)


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
