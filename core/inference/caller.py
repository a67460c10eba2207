"""One who is connected to the engine, as the engine's process sees him."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from asyncio import Task
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

from core.errors import LeptonError
from core.generation.pieces import Piece
from core.inference.outgoing import Outgoing
from core.inference.wire import CHUNK, Incoming, Message

Work: TypeAlias = Task[None] | Future[Any]

MOST_UNREAD = 64 << 20
"""Bytes of replies that may wait for one who does not read; then he is hung up on."""


class Caller:
    """Hands over each request that comes to `take`, on the event loop, and whether it came alone
    and is short; when he is gone he is `gone`, and what he waited for is taken back. Replies and
    parts are sent from any thread."""

    def __init__(
        self,
        there: socket.socket,
        take: Callable[[Caller, Message, bool], None],
        gone: Callable[[Caller], None],
    ) -> None:
        self.last = time.monotonic()
        """When he was last heard or answered."""
        self.fileno = there.fileno()
        self._socket = there
        self._take = take
        self._gone = gone
        self._incoming = Incoming()
        self._out = Outgoing(MOST_UNREAD, self._give_up)
        self._at_work: dict[int, Work] = {}
        self._is_here = True
        self._loop = asyncio.get_running_loop()
        self._out.open(there)
        self._loop.add_reader(there.fileno(), self._readable)

    @property
    def at_work(self) -> bool:
        """Whether he waits for something."""
        return bool(self._at_work)

    @property
    def unread(self) -> float:
        """Seconds for which he has not read what waits for him."""
        return self._out.unread

    def works(self, number: int, work: Work) -> None:
        """This is at work on a request, until it is replied to or taken back."""
        self._at_work[number] = work

    def tell(self, number: int, piece: Piece) -> None:
        """Send a part of an answer."""
        if piece.tokens:
            tokens = [each.to_json() for each in piece.tokens]
            self._out.send({"id": number, "part": piece.text, "tokens": tokens})
        else:
            self._out.send({"id": number, "part": piece.text})

    def reply(self, number: int, outcome: Message) -> Work | None:
        """Send the one reply to a request, unless that was taken back; what was at work on it."""
        if (work := self._at_work.pop(number, None)) is None:
            return None
        self.last = time.monotonic()
        try:
            self._out.send({"id": number, **outcome})
        except (ValueError, TypeError) as error:
            told = LeptonError(f"this cannot be answered: {error}")
            self._out.send({"id": number, "error": told.to_json()})
        return work

    def send(self, message: Message) -> None:
        self._out.send(message)

    def finish(self, seconds: float) -> None:
        """Wait until all is sent, or for so long."""
        self._out.finish(seconds)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        whole = not self._incoming.held
        try:
            came = [*self._incoming.feed(data)]
            for message in came:
                self.last = time.monotonic()
                if message["op"] != "cancel":
                    self._take(self, message, whole and len(came) == 1)
                elif (work := self._at_work.pop(message["request"], None)) is not None:
                    work.cancel()
        except (ConnectionError, KeyError):
            # He is none of ours.
            data = b""
        if not data:
            self._leave()

    def _give_up(self, waiting: int) -> None:
        """He asks and does not read; from any thread."""
        who = f"process {process}" if (process := _process(self._socket)) else "somebody"
        told = f"{waiting >> 20:,} MB of replies waited that it did not read"
        sys.stderr.write(f"{who} was hung up on: {told}\n")
        sys.stderr.flush()
        self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if not self._is_here:
            return
        self._is_here = False
        self._loop.remove_reader(self._socket.fileno())
        self._out.close()
        with suppress(OSError):
            # Lets the thread go that may be sending.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        while self._at_work:
            self._at_work.popitem()[1].cancel()
        self._gone(self)


def _process(there: socket.socket) -> int | None:
    """Whose end of a local socket the other one is, where the system tells."""
    with suppress(OSError, AttributeError):
        told = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(told[:4], sys.byteorder) or None
    return None
