"""Messages on their way into a socket, from any thread; who sends one never waits.

So whoever has made a message sends it, with no thread woken in between, and neither an event loop
nor a model's thread stands still because the other side does not read. What the socket has no room
for is sent on by a thread, in turn.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass

from core.inference.wire import CHUNK, Message, frame


@dataclass(eq=False)
class _Left:
    """What is left to send of a message."""

    number: int
    data: memoryview


class Outgoing:
    """What is sent before there is a socket waits until it is `open`."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._line: deque[_Left] = deque()
        # The collector of garbage may take back an answer in the midst of any of this.
        self._lock = threading.RLock()
        self._sender: threading.Thread | None = None
        """At work on the first of the line."""
        self._closed = False
        self._moved = 0.0

    def open(self, there: socket.socket) -> None:
        """Send what waits, and everything from now on."""
        with self._lock:
            self._socket = there
            self._push()

    def send(self, message: Message, number: int = 0) -> None:
        """Send a message; by its number it can be taken back. Nothing happens when nobody is there
        any more.

        Raises:
            ValueError: it is too long.
        """
        left = _Left(number, memoryview(frame(message)))
        with self._lock:
            if self._closed:
                return
            self._line.append(left)
            if self._socket is not None and len(self._line) == 1:
                self._push()

    def take_back(self, number: int) -> bool:
        """Whether a message could still be kept from being sent."""
        with self._lock:
            # Of the first one a part may be gone.
            for left in [*self._line][0 if self._socket is None else 1 :]:
                if left.number == number:
                    self._line.remove(left)
                    return True
        return False

    @property
    def unread(self) -> float:
        """Seconds for which the other side has made no room for what waits."""
        with self._lock:
            return time.monotonic() - self._moved if self._line else 0.0

    def finish(self, seconds: float) -> None:
        """Wait until all is sent, or for so long."""
        if (sender := self._sender) is not None:
            sender.join(seconds)

    def close(self) -> None:
        """Nobody is there any more."""
        with self._lock:
            self._closed = True
            self._line.clear()

    def _push(self) -> None:
        """Send what there is room for; a thread does the rest. Under the lock."""
        assert self._socket is not None
        while self._line:
            left = self._line[0]
            try:
                sent = self._socket.send(left.data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._closed = True
                self._line.clear()
                return
            if sent < len(left.data):
                left.data = left.data[sent:]
                self._moved = time.monotonic()
                self._sender = threading.Thread(target=self._send_on, name="outgoing", daemon=True)
                self._sender.start()
                return
            self._line.popleft()

    def _send_on(self) -> None:
        assert self._socket is not None
        while True:
            with self._lock:
                if not self._line:
                    self._sender = None
                    return
                left = self._line[0]
            try:
                _wait_for_room(self._socket)
                sent = self._socket.send(left.data[:CHUNK], socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                self.close()
                continue
            with self._lock:
                self._moved = time.monotonic()
                left.data = left.data[sent:]
                if not left.data and self._line:
                    self._line.popleft()


def _wait_for_room(there: socket.socket) -> None:
    """Until something can be sent. An event loop that reads a socket may have told the system that
    nobody waits at it."""
    waiting = select.poll()
    if (number := there.fileno()) >= 0:
        waiting.register(number, select.POLLOUT)
        waiting.poll()
