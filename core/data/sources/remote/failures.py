"""What keeps a server from giving what was asked for, in plain words."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from core.data.sources.remote.address import shown
from core.errors import LeptonError

# Seconds that a server may ask us to wait.
MOST_ASKED = 120.0
AGAIN = (408, 425, 429, 500, 502, 503, 504)
_HINTS = {
    401: "Set LEPTON_HTTP_HEADERS='Authorization: Bearer ...' in the environment.",
    403: "Set LEPTON_HTTP_HEADERS='Authorization: Bearer ...', if it needs one.",
}


class Again(Exception):  # noqa: N818 - it is no error yet
    """It may go better the next time, after some seconds where the server says how many."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class RefusedError(LeptonError):
    """The server answered, and did not give what was asked for."""

    def __init__(self, status: int, url: str) -> None:
        hint = _HINTS.get(status, "Check the address.")
        super().__init__(f"the server says {_status(status)}", where=shown(url), hint=hint)
        self.status = status


def refusal(response: httpx2.Response, url: str) -> LeptonError | Again:
    """Why an answer is none: for good, or for this time."""
    status = response.status_code
    if status not in AGAIN:
        return RefusedError(status, url)
    wait = _asked_to_wait(response.headers.get("Retry-After"))
    if wait is not None and wait > MOST_ASKED:
        return LeptonError(
            f"the server asks to come back in {wait:,.0f} seconds",
            where=shown(url),
            hint="Try again then.",
        )
    return Again(f"the server says {_status(status)}", wait)


def failure(error: httpx2.TransportError, url: str) -> LeptonError | Again:
    """Why no answer came: for good, or for this time."""
    came_of, words = _of_system(error), system_words(error)
    if isinstance(came_of, ssl.SSLCertVerificationError):
        hint = "Check the address; SSL_CERT_FILE names a file of certificates to trust."
        return LeptonError(words, where=shown(url), hint=hint)
    if isinstance(came_of, socket.gaierror) and came_of.errno == socket.EAI_NONAME:
        return LeptonError(words, where=shown(url), hint="Check the address and the network.")
    if isinstance(came_of, ssl.SSLError | socket.gaierror):
        return Again(words)
    if isinstance(error, httpx2.TimeoutException):
        return Again("the server did not answer in time")
    if isinstance(error, httpx2.ProxyError):
        return LeptonError(
            f"the proxy says {error}",
            where=shown(url),
            hint="Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.",
        )
    if isinstance(error, httpx2.RemoteProtocolError):
        said = str(error)
        if "peer closed" in said:
            return Again("the answer was cut short")
        if "without sending" in said:
            return Again("the server ended the connection without an answer")
        return Again("the answer is no HTTP")
    return Again(words or "the connection was lost")


def too_large(url: str, most: int, *, page: bool = False) -> LeptonError:
    """More came than is allowed: in all, or on one page of an API."""
    what, hint = "the answer", "Allow more with --max-size, or name a part of it."
    if page:
        what, hint = "one page", "Ask for fewer records on a page."
    return LeptonError(f"{what} is larger than {most:,} bytes", where=shown(url), hint=hint)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came of, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def system_words(error: BaseException) -> str:
    """What the system said of a connection that did not come about; empty: nothing."""
    match _of_system(error):
        case None:
            return ""
        case ssl.SSLCertVerificationError() as untrusted:
            return f"the server's certificate is not trusted ({untrusted.verify_message})"
        case ssl.SSLError():
            return "what answers there does not speak https"
        case socket.gaierror():
            return "the host is not found"
        case said:
            return os.strerror(said.errno or 0).lower()


def _of_system(error: BaseException) -> OSError | None:
    """The system's error that another one came of; of several, what TLS or the name's look-up said
    is the cause of the rest."""
    found = None
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError | socket.gaierror):
            return cause
        if isinstance(cause, OSError) and (cause.errno or 0) > 0:
            found = cause
    return found


def _status(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


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
