"""How a service listens, and what it takes at most."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one service. Sizes are bytes, times seconds."""

    body: int = 32 * MEBIBYTE
    """One request's body, counted while it comes in."""
    held: int = 256 * MEBIBYTE
    """The bodies of all requests that are being worked on."""
    rows: int = 1024
    """Rows of one request."""
    batch_rows: int = 100_000
    """Rows of one batch job."""
    pixels: int = 8_000_000
    """Pixels of one picture, told by its header before any is decoded."""
    text: int = 1_000_000
    """Characters of one text."""
    seconds: float = 30.0
    """From a request's headers to its answer; a client may ask for less."""
    silence: float = 300.0
    """Between two parts of an answer that comes part by part; `seconds` does not bound those,
    unless the client asks for less."""
    waiting: int = 256
    """Requests that are before the engine at once."""
    connections: int = 1000
    head: int = 64 * 1024
    """A request's line and headers."""
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 15.0
    """A connection between two requests."""
    unread_seconds: float = 30.0
    """What is sent may wait so long for a client that does not read it."""
    rate: float = 0.0
    """Requests a second of one key, or of one address where there are no keys; 0: any number."""
    drain: float = 15.0
    """Time that requests have to end in when the service is asked to stop."""


@dataclass(frozen=True)
class Settings:
    """One service, as it was asked for."""

    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    """Names by which it may be called, beside its address."""
    keys: bool = False
    """Whether a request needs a key; see `needs_keys`."""
    certificate: Path | None = None
    private_key: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"


def needs_keys(host: str, *, wanted: bool) -> bool:
    """Whether a request to an address needs a key: elsewhere than on this machine always."""
    return wanted or not is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
