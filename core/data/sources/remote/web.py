"""HTTP as an import needs it: whole answers into files, tried again where that may help."""

from __future__ import annotations

import base64
import errno
import http.client
import random
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from core.data.sources.desk import Desk
from core.data.sources.remote.address import WEB, shown
from core.data.sources.remote.headers import headers_for, query_for
from core.errors import LeptonError

CHUNK = 1 << 18
TOLD_EVERY = 4 << 20
MOST_REDIRECTS = 10
TRIES = 5
# Seconds: without an answer, before the second try, and what a server may ask us to wait.
TIMEOUT = 30.0
FIRST_WAIT = 0.5
MOST_WAIT = 30.0
MOST_ASKED = 120.0
AGAIN = (408, 425, 429, 500, 502, 503, 504)
MOVED = (301, 302, 303, 307, 308)
_SAFE = "/%:@!$&'()*+,;=~-._"
_HINTS = {
    401: "Set LEPTON_HTTP_HEADERS='Authorization: Bearer ...' in the environment.",
    403: "Set LEPTON_HTTP_HEADERS='Authorization: Bearer ...', if it needs one.",
    404: "Check the address.",
}


@dataclass(frozen=True)
class Answer:
    """What came: the address that answered at last, and its headers. The body is in the file."""

    url: str
    headers: Message
    bytes: int


class _Again(Exception):  # noqa: N818 - it is no error yet
    """It may go better the next time, after some seconds where the server says how many."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Web:
    """Requests for one import. What they bring is bounded in all, and they end when it does.

    Use as a context manager; connections are kept between requests.
    """

    def __init__(self, desk: Desk, named: str) -> None:
        self._desk = desk
        self._host = urlsplit(named).hostname
        self._left = self._most = desk.options.most_bytes
        self._connections: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._socket: socket.socket | None = None

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def interrupt(self) -> None:
        """End the wait for an answer in another thread."""
        if (waiting := self._socket) is not None:
            with suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)

    def fetch(self, url: str, out: BinaryIO, most: int | None = None) -> Answer:
        """Write what an address answers to a file, from where it stands; at most so many bytes.

        Raises:
            LeptonError: it does not answer, refuses, leads astray, or sends more than is allowed.
            Cancelled: the import is no longer wanted.
        """
        start = out.tell()
        self._most = self._left if most is None else min(self._left, most)
        for attempt in range(TRIES):
            out.seek(start)
            out.truncate()
            try:
                with self._desk.watching(self):
                    answer = self._once(url, out)
                self._left -= answer.bytes
                return answer
            except _Again as again:
                self._desk.check()
                if again.wait is not None and again.wait > MOST_ASKED:
                    raise LeptonError(
                        f"the server asks to come back in {again.wait:,.0f} seconds",
                        where=shown(url),
                        hint="Try again then.",
                    ) from again
                if attempt + 1 == TRIES:
                    raise LeptonError(
                        f"the address could not be read in {TRIES} tries: {again}",
                        where=shown(url),
                        hint="Check the address and the network, or try again later.",
                    ) from again
                wait = min(MOST_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1)  # noqa: S311
                self._pause(wait if again.wait is None else again.wait)
        raise AssertionError("the last try returns or raises")

    def _pause(self, seconds: float) -> None:
        never = threading.Event()
        while seconds > 0:
            self._desk.check()
            never.wait(min(0.1, seconds))
            seconds -= 0.1

    def _once(self, url: str, out: BinaryIO) -> Answer:
        where = url
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked(where) as response:
                if response.status in MOVED and (to := response.headers.get("Location")):
                    where = followed(where, to)
                    continue
                if response.status in AGAIN:
                    wait = _asked_to_wait(response.headers.get("Retry-After"))
                    raise _Again(f"the server says {_status(response.status)}", wait)
                if response.status not in (200, 203):
                    raise RefusedError(
                        response.status,
                        f"the server says {_status(response.status)}",
                        where=shown(where),
                        hint=_HINTS.get(response.status, "Check the address."),
                    )
                size = self._pour(response, out, where)
                return Answer(where, response.headers, size)
        raise LeptonError(
            f"the address leads on to others more than {MOST_REDIRECTS} times",
            where=shown(url),
            hint="Check the address.",
        )

    @contextmanager
    def _asked(self, url: str) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request; its connection is kept if the body was read to its end."""
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc)
        connection, target = self._connection(url)
        whole = False
        try:
            named = parts.hostname == self._host
            secret = headers_for(
                parts.hostname or "", named=named, encrypted=parts.scheme == "https"
            )
            if query := query_for(parts.hostname or "", named=named):
                target += ("&" if "?" in target else "?") + query
            connection.request(
                "GET",
                target,
                headers={
                    "User-Agent": "lepton",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    **secret,
                },
            )
            self._socket = connection.sock
            response = connection.getresponse()
            yield response
            whole = response.isclosed() and not response.will_close
        except ssl.SSLCertVerificationError as error:
            raise LeptonError(
                f"the server's certificate is not trusted: {error.verify_message}",
                where=shown(url),
                hint="Check the address; SSL_CERT_FILE names a file of certificates to trust.",
            ) from error
        except socket.gaierror as error:
            raise _Again(f"the host {parts.hostname} is not found") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise LeptonError(
                    "the disk is full", where=str(self._desk.workspace.tmp), hint="Make room."
                ) from error
            raise _Again(_spoken(error)) from error
        except ValueError as error:
            # A connection that was ended under way, or a header that is none.
            self._desk.check()
            raise _Again(_spoken(error)) from error
        finally:
            self._socket = None
            if whole:
                self._connections[key] = connection
            else:
                self._connections.pop(key, None)
                connection.close()

    def _connection(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        """A connection to the host, or to its proxy, and what to ask it for."""
        parts = urlsplit(url)
        path = quote(parts.path or "/", safe=_SAFE)
        target = f"{path}?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else path
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        if through is not None and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
        held = self._connections.pop((parts.scheme, parts.netloc), None)
        if held is not None:
            return held, target
        context = ssl.create_default_context() if parts.scheme == "https" else None
        at = through or parts
        host, port = at.hostname or "", at.port or (443 if at.scheme == "https" else 80)
        made = (
            http.client.HTTPConnection(host, port, timeout=TIMEOUT)
            if context is None
            else http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
        )
        if through is not None and parts.scheme == "https":
            made.set_tunnel(parts.hostname or "", parts.port or 443, _proxy_headers(through))
        return made, target

    def _pour(self, response: http.client.HTTPResponse, out: BinaryIO, url: str) -> int:
        """Write the body, unpacked if it was packed for the way; the bytes that were written."""
        packing = (response.headers.get("Content-Encoding") or "identity").strip().lower()
        if packing not in ("identity", "gzip", "x-gzip", "deflate"):
            raise LeptonError(
                f"the answer is packed as {packing}, which was not asked for",
                where=shown(url),
                hint="Download it in another way, and name the file.",
            )
        unpack = None if packing == "identity" else zlib.decompressobj(47)
        promised = response.length
        if promised is not None and promised > self._most:
            raise self._too_large(url)
        came = written = told = 0
        while chunk := response.read(CHUNK):
            came += len(chunk)
            while chunk:
                try:
                    plain = unpack.decompress(chunk, CHUNK) if unpack else chunk
                except zlib.error as error:
                    raise _Again("the packed answer is damaged") from error
                chunk = unpack.unconsumed_tail if unpack else b""
                written += len(plain)
                if written > self._most:
                    raise self._too_large(url)
                out.write(plain)
            self._desk.check()
            if came - told >= TOLD_EVERY:
                told = came
                self._desk.progress(came, promised or 0)
        if promised is not None and came < promised:
            raise _Again(f"the answer was cut short: {came:,} of {promised:,} bytes came")
        if unpack is not None and came and not unpack.eof:
            raise _Again("the packed answer was cut short")
        return written

    def _too_large(self, url: str) -> LeptonError:
        return LeptonError(
            f"the answer is larger than {self._most:,} bytes",
            where=shown(url),
            hint="Allow more with --max-size, or name a part of it.",
        )


class RefusedError(LeptonError):
    """The server answered, and did not give what was asked for."""

    def __init__(self, status: int, what: str, *, where: str, hint: str) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status


def followed(url: str, to: str) -> str:
    """The address that a link in an answer leads to.

    Raises:
        LeptonError: it leads to a file, to what is not encrypted, or holds a password.
    """
    try:
        # urljoin reads "http:///x" as a path of the host that sent it; as an address it has no host.
        named = urlsplit(to.strip())
        there = to if named.scheme and not named.netloc else urljoin(url, to.strip())
        there = there.partition("#")[0]
        parts = urlsplit(there)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host, there = urlsplit(""), None, to
    unsafe = urlsplit(url).scheme == "https" and parts.scheme != "https"
    if parts.scheme not in WEB or not host or unsafe or "@" in parts.netloc:
        raise LeptonError(
            "the server leads on to an address that is not followed",
            where=f"{shown(url)} leads to {shown(there)}",
            hint="Name that address itself, if you trust it.",
        )
    return there


def _proxy_headers(proxy: object) -> dict[str, str]:
    user = getattr(proxy, "username", None)
    if not user:
        return {}
    password = getattr(proxy, "password", None) or ""
    secret = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {secret}"}


def _status(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _spoken(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut short"
    if isinstance(error, TimeoutError):
        return f"no answer for {TIMEOUT:.0f} seconds"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server ended the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return "the answer is no HTTP"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:160]


def _asked_to_wait(header: str | None) -> float | None:
    """The seconds of a Retry-After header, in either of its forms."""
    if not header:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
