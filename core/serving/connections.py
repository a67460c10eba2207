"""One client's connection: how many there may be, how large a head, how slow a client.

uvicorn waits for a request for ever, collects headers without end, and keeps an answer for ever for
a client that does not read it. What is refused here is refused before there is a request, so it is
written to the connection as it is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.serving.problems import PROBLEM, Refused, document
from core.serving.settings import Limits

LINGER_SECONDS = 2.0
"""So long what a client still sends when it is refused is thrown away. Were the connection closed
over bytes that nobody has read, the client would hear that it is broken, and not why."""


def bounded_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol with these limits."""
    return type("Connection", (_Connection,), {"limits": limits})


class _HeadWithBody(asyncio.Transport):
    """A transport on which an answer's head leaves together with its body.

    uvicorn writes one after the other, which is two packets and wakes the client twice. A head
    whose body does not come leaves alone at the loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines([head, data])
        elif data[:9] == b"HTTP/1.1 ":
            self._head = bytes(data)
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def finish(self) -> bool:
        """Say that nothing more is said, and go on reading; false where that cannot be (TLS)."""
        self._let_go()
        if can := self._transport.can_write_eof():
            self._transport.write_eof()
        return can

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _let_go(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


class _Connection(HttpToolsProtocol):
    limits: Limits
    transport: _HeadWithBody

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._head = 0
        """Bytes of the head that is coming in."""
        self._in_head = True
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = _HeadWithBody(transport, self.loop)
        if len(self.connections) > self.limits.connections:
            self._refuse(Refused(503, "too many connections", headers={"Retry-After": "1"}))
            return
        self._expect(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self._read_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """As much as is kept for it lies there unread: the client has so many seconds to read."""
        super().pause_writing()
        # Whoever makes the answer hears by this that the client is gone.
        self._unread = self.loop.call_later(self.limits.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        # What came with a body in one piece was no head; what has no end is one.
        if self._in_head and self._head > self.limits.head + len(data):
            told = f"the head has more than {self.limits.head:,} bytes"
            self._refuse(Refused(431, told), is_sending=True)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._expect(self.limits.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._expect(self.limits.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._expect(None)
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # It was answered before its body had come.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        self._refuse(Refused(400, "this is no HTTP request"), is_sending=True)

    def _expect(self, seconds: float | None) -> None:
        """The head or the body is to be there in so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._late)

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            part = "head" if self._in_head else "body"
            self._refuse(Refused(408, f"the request's {part} did not come in time"))

    def _refuse(self, refused: Refused, *, is_sending: bool = False) -> None:
        """Answer, unless an answer is under way, and close; on a client that `is_sending` still,
        when it has heard."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = to_json(document(refused, ""))
            lines = [
                f"content-type: {PROBLEM}",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            lines += [f"{name}: {value}" for name, value in refused.headers.items()]
            head = STATUS_LINE[refused.status] + "\r\n".join(lines).encode() + b"\r\n\r\n"
            self.transport.write(head + body)
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever works on it hears that the client is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._is_refused = True
        self._expect(None)
        if is_sending and self.transport.finish():
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
