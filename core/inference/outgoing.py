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
from collections.abc import Callable
from dataclasses import dataclass

from core.inference.wire import CHUNK, Message, frame

READING_SECONDS = 5.0
"""Who has not read for so long does not read at all."""
READER_MAY = 4
"""So many times as much may wait for one who reads."""


@dataclass(eq=False)
class _Left:
    """What is left to send of a message."""

    number: int
    data: memoryview


class Outgoing:
    """What is sent before there is a socket waits until it is `open`.

    Where there is a `most`, and nobody reads, no more than so many bytes wait behind the first
    message; then it is over, and `given_up` is told how many they were.
    """

    def __init__(
        self, most: int | None = None, given_up: Callable[[int], None] = lambda _: None
    ) -> None:
        self._most = most
        self._given_up = given_up
        self._socket: socket.socket | None = None
        self._line: deque[_Left] = deque()
        self._waiting = 0
        """Bytes in line."""
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
            if self._is_piled_up():
                self._given_up(self._waiting)
                self.close()
                return
            self._line.append(left)
            self._waiting += len(left.data)
            if self._socket is not None and len(self._line) == 1:
                self._push()

    def take_back(self, number: int) -> bool:
        """Whether a message could still be kept from being sent."""
        with self._lock:
            # Of the first one a part may be gone.
            for left in [*self._line][0 if self._socket is None else 1 :]:
                if left.number == number:
                    self._line.remove(left)
                    self._waiting -= len(left.data)
                    return True
        return False

    def _is_piled_up(self) -> bool:
        """Whether more waits than may; who reads, if slowly, is let have some times as much."""
        if self._most is None or not self._line:
            return False
        most = self._most if self.unread > READING_SECONDS else READER_MAY * self._most
        return self._waiting - len(self._line[0].data) > most

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
            self._clear()

    def _clear(self) -> None:
        self._closed = True
        self._line.clear()
        self._waiting = 0

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
                self._clear()
                return
            self._waiting -= sent
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
                if self._closed:
                    continue
                self._moved = time.monotonic()
                self._waiting -= sent
                left.data = left.data[sent:]
                if not left.data:
                    self._line.popleft()


def _wait_for_room(there: socket.socket) -> None:
    """Until something can be sent. An event loop that reads a socket may have told the system that
    nobody waits at it."""
    waiting = select.poll()
    if (number := there.fileno()) >= 0:
        waiting.register(number, select.POLLOUT)
        waiting.poll()
