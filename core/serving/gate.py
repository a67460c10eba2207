"""The door that every request comes through: admitted, bounded, counted and written down."""

from __future__ import annotations

import asyncio
import math
import re
import time
import traceback
from secrets import token_hex
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import LeptonError
from core.serving.calls import CALL, Call
from core.serving.guard import OPEN, Guard
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.problems import Refused, refusal, response, retry_after
from core.serving.settings import Limits
from core.serving.traffic import Traffic

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Gate:
    """Wraps the app. What it refuses is answered here, before anything is read or parsed."""

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        limits: Limits,
        *,
        metrics: Metrics,
        traffic: Traffic,
        log: Log,
    ) -> None:
        self._app = app
        self._guard = guard
        self._limits = limits
        self._metrics = metrics
        self._traffic = traffic
        self._log = log
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _Headers(scope)
        given = headers("x-request-id")
        call = Call(
            given if _ID.fullmatch(given) else token_hex(16),
            asyncio.get_running_loop().time() + self._limits.seconds,
        )
        scope[CALL] = call
        # By this a route knows that somebody answers what it raises.
        scope["app"] = self
        body = _Body(self, call, headers("content-length"), receive)
        reply = _Reply(send, call.id)
        self._metrics.in_flight.inc()
        try:
            try:
                self._admit(scope, headers, call)
                body.expect()
                await self._app(_as_get(scope), body.receive, reply.send)
            except Exception as error:
                refused = _refused(error, scope["method"], call)
                if reply.status:
                    raise
                await response(refused, scope["path"], call.id)(scope, receive, reply.send)
        finally:
            body.let_go()
            self._metrics.in_flight.dec()
            self._tell(scope, call, reply.status or 499)

    def _admit(self, scope: Scope, headers: _Headers, call: Call) -> None:
        version = scope["http_version"]
        self._guard.host(headers("host"), headers("origin"), http_1_0=version == "1.0")
        self._guard.url(scope["query_string"].decode("latin-1"))
        client = scope["client"][0] if scope["client"] else ""
        call.key = self._guard.admit(
            scope["path"], headers("authorization"), headers("x-api-key"), client
        )
        if headers("content-encoding"):
            raise Refused(415, "compressed bodies are not taken", where="Content-Encoding")
        if headers.has("x-request-timeout"):
            asked = headers("x-request-timeout")
            call.hurried = True
            call.deadline += min(0.0, _seconds(asked) - self._limits.seconds)

    def _tell(self, scope: Scope, call: Call, status: int) -> None:
        path = scope["path"]
        route = call.route
        of = (route, call.model, call.version)
        seconds = time.perf_counter() - call.began
        self._metrics.answered(of, status, seconds)
        if path in OPEN and status < 400:
            # Asked every few seconds by whoever watches: the log would hold nothing else.
            return
        facts: dict[str, Any] = {
            "id": call.id,
            "method": scope["method"],
            "route": route,
            "model": call.model or None,
            "version": call.version or None,
            "status": status,
            "ms": round(1000 * seconds, 2),
            "rows": call.rows,
            "bytes": call.bytes,
            "key": call.key.name if call.key else None,
            "client": scope["client"][0] if scope["client"] else None,
            "error": call.error,
        }
        self._traffic.answered(facts)
        self._log.say("request", **facts, trace=call.trace)

    def hold(self, more: int) -> None:
        """Count bytes of bodies that are in memory.

        Raises:
            Refused: there are too many.
        """
        if more > 0 and self._held + more > self._limits.held:
            what = "the requests at work hold as much as they may"
            raise Refused(429, what, headers=retry_after(1))
        self._held += more
        self._metrics.held.set(self._held)

    @property
    def most(self) -> int:
        return self._limits.body


def _refused(error: Exception, method: str, call: Call) -> Refused:
    """What a client hears of it; the log is told the rest."""
    if isinstance(error, LeptonError):
        call.error = str(error)
        return refusal(error)
    if isinstance(error, HTTPException):
        told = {404: "there is nothing here", 405: f"{method} is not for this address"}
        return Refused(
            error.status_code,
            told.get(error.status_code, str(error.detail)),
            hint="/openapi.json says what there is." if error.status_code in told else "",
            headers=dict(error.headers or {}),
        )
    call.error = f"{type(error).__name__}: {error}"
    call.trace = traceback.format_exc()
    return Refused(500, "the service failed", hint="Its log says why.")


def _as_get(scope: Scope) -> Scope:
    """HEAD is GET without the body, which the server leaves out: who watches a service asks so."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


class _Headers:
    """A request's headers; empty is what is not there."""

    def __init__(self, scope: Scope) -> None:
        self._named: dict[bytes, bytes] = dict(scope["headers"])

    def __call__(self, name: str) -> str:
        return self._named.get(name.encode(), b"").decode("latin-1")

    def has(self, name: str) -> bool:
        return name.encode() in self._named


class _Body:
    """One request's body, counted while it comes in."""

    def __init__(self, gate: Gate, call: Call, length: str, receive: Receive) -> None:
        self._gate = gate
        self._call = call
        self._length = length
        self._receive = receive
        self._holds = 0

    def expect(self) -> None:
        """Look at the length that it says it has.

        Raises:
            Refused: it is too much.
        """
        if self._length.isdecimal() and int(self._length) > self._gate.most:
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            more = len(message.get("body", b""))
            self._call.bytes += more
            if self._call.bytes > self._gate.most:
                raise self._too_large()
            self._gate.hold(more)
            self._holds += more
        return message

    def let_go(self) -> None:
        self._gate.hold(-self._holds)
        self._holds = 0

    def _too_large(self) -> Refused:
        return Refused(
            413,
            f"the body has more than {self._gate.most:,} bytes",
            hint="Send the rows in parts.",
        )


class _Reply:
    """The answer on its way out, with the request's id on it."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = request_id.encode()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._id)]
            message = {**message, "headers": headers}
        await self._send(message)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    except ValueError:
        pass
    raise Refused(
        400, "X-Request-Timeout is no number of seconds above 0", where="X-Request-Timeout"
    )
