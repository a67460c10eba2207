"""Server-sent events, which the generator knows nothing of. Written by hand: `make clients` leaves
it as it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

from .client import AuthenticatedClient, Client

Event = dict[str, Any]
_END = "[DONE]"


class StreamError(Exception):
    """There is no stream, or it ended before its time. `document` is what the service said of it:
    a problem document, or the `error` of an event."""

    def __init__(self, message: str, document: Any = None) -> None:
        super().__init__(message)
        self.document = document


def stream(
    client: Client | AuthenticatedClient, path: str, body: Mapping[str, Any]
) -> Iterator[Event]:
    """The events of an answer as they come: `stream(client, "/v1/chat/completions", {…})`.

    Raises:
        StreamError: the service refuses, fails, or leaves in the middle.
    """
    with client.get_httpx_client().stream("POST", path, json={**body, "stream": True}) as response:
        if not response.is_success:
            raise _refused(response.read())
        events = _Events()
        try:
            for part in response.iter_bytes():
                yield from events.of(part)
                if events.ended:
                    return
        except httpx.TransportError as error:
            raise StreamError(f"the stream broke off: {error}") from error
        raise StreamError("the stream ended in the middle")


async def stream_async(
    client: Client | AuthenticatedClient, path: str, body: Mapping[str, Any]
) -> AsyncIterator[Event]:
    """As `stream`."""
    async with client.get_async_httpx_client().stream(
        "POST", path, json={**body, "stream": True}
    ) as response:
        if not response.is_success:
            raise _refused(await response.aread())
        events = _Events()
        try:
            async for part in response.aiter_bytes():
                for event in events.of(part):
                    yield event
                if events.ended:
                    return
        except httpx.TransportError as error:
            raise StreamError(f"the stream broke off: {error}") from error
        raise StreamError("the stream ended in the middle")


class _Events:
    """Parts of a body, cut anywhere, as events. Not by `iter_lines`, which ends a line at
    characters that JSON may hold."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self.ended = False

    def of(self, part: bytes) -> Iterator[Event]:
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").decode().partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            elif not name and not value and self._data:
                text, self._data = "\n".join(self._data), []
                if text == _END:
                    self.ended = True
                    return
                yield _checked(json.loads(text))


def _checked(event: Event) -> Event:
    if "error" in event:
        raise StreamError(_message(event), event["error"])
    return event


def _refused(content: bytes) -> StreamError:
    try:
        document = json.loads(content)
    except ValueError:
        document = content.decode(errors="replace")
    return StreamError(_message(document), document)


def _message(document: Any) -> str:
    error = document.get("error") if isinstance(document, dict) else document
    return str(error.get("message", error) if isinstance(error, dict) else error)
