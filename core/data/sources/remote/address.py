"""Addresses: which are read and followed, what may not stand in one, and how one is shown."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, urljoin, urlsplit

from core.errors import LeptonError, UsageError

WEB = {"http": 80, "https": 443}
# What reads each kind, and the package that has it.
CLOUD = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "hf": "huggingface_hub",
    "memory": "fsspec",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Parameters that are keys to something, in the spelling of many services.
_SECRET = re.compile(
    r"(?i)(api[-_]?key|apikey|(access|auth|id|refresh|session|security)?[-_]?token|secret|password"
    r"|passwd|pwd|sig|signature|client[-_]?secret|x-amz-(signature|credential|security-token)"
    r"|x-goog-(signature|credential)|awsaccesskeyid)"
)


def scheme_of(source: str) -> str | None:
    """ "https" of an address, in small letters; None of a path."""
    found = _SCHEME.match(source)
    return found[1].lower() if found else None


def check_address(source: str) -> None:
    """Refuse an address that no import reads, or that would be remembered with a secret in it.

    Raises:
        UsageError: it is of another kind, has no host, or holds a user, a password or a key.
    """
    scheme = scheme_of(source)
    if scheme is None:
        return
    if scheme not in WEB and scheme not in CLOUD:
        raise UsageError(
            f"addresses that begin with {scheme}:// are not read",
            where=shown(source),
            hint="Name a path, or one of: http://, https://, s3://, gs://, az://, hf://.",
        )
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(
            f"this is no address: {error}", where=shown(source), hint="Check how it is written."
        ) from error
    userinfo = "@" in parts.netloc and scheme not in ("abfs", "abfss")
    secrets = [name for name, _ in parse_qsl(parts.query) if _SECRET.fullmatch(name)]
    if userinfo or secrets:
        what = f"the parameter {secrets[0]}" if secrets else "a user or a password"
        raise UsageError(
            f"the address holds {what}, and addresses are remembered",
            where=shown(source),
            hint="Set LEPTON_HTTP_HEADERS='Authorization: Bearer ...', or"
            " LEPTON_HTTP_QUERY='api_key=...', in the environment."
            if scheme in WEB
            else "Credentials are read from the environment and the usual files.",
        )
    if not host:
        raise UsageError(
            "the address names no host or bucket", where=shown(source), hint="Check it."
        )


def followed(url: str, to: str) -> str:
    """The address that a link in an answer leads to.

    Raises:
        LeptonError: it leads to a file, to what is not encrypted, or holds a password.
    """
    to = to.strip()
    try:
        # urljoin reads "http:///x" as a path of the host that sent it; it is an address of no host.
        named = urlsplit(to)
        there = to if named.scheme and not named.netloc else urljoin(url, to)
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


def same_place(named: str, asked: str) -> bool:
    """Whether an address is of the host and port that were named, or of that host encrypted."""
    one, other = (
        (parts.scheme, parts.hostname, parts.port or WEB[parts.scheme])
        for parts in map(urlsplit, (named, asked))
    )
    encrypted = (("http", one[1], WEB["http"]), ("https", one[1], WEB["https"]))
    return one == other or (one, other) == encrypted


def shown(address: str) -> str:
    """An address as messages show it: without user, password and the values of parameters."""
    head, question, _ = address.partition("?")
    scheme, slashes, rest = head.partition("://")
    host, slash, path = rest.partition("/")
    host = host if scheme in ("abfs", "abfss") else host.rpartition("@")[2]
    return f"{scheme}{slashes}{host}{slash}{path}"[:500] + ("?..." if question else "")


def variable_of(host: str) -> str:
    """A host as the name of an environment variable ends in it: API_EXAMPLE_COM."""
    return re.sub(r"[^A-Z0-9]", "_", host.upper())


def from_environment(name: str) -> str:
    return os.environ.get(name, "").strip()
