"""What a request brings along that is secret: from the environment and from `.netrc`.

`LEPTON_HTTP_HEADERS` holds lines like `Authorization: Bearer ...` for the host of the address that
was named, `LEPTON_HTTP_HEADERS_API_EXAMPLE_COM` those for one host alone. No other host that an
answer leads to is sent any of it. `LEPTON_HTTP_QUERY` are parameters, sent in the same way.
"""

from __future__ import annotations

import base64
import netrc
import re
from pathlib import Path

from core.data.sources.remote.address import from_environment, variable_of
from core.errors import UsageError

HEADERS, QUERY = "LEPTON_HTTP_HEADERS", "LEPTON_HTTP_QUERY"
LOCAL = ("localhost", "127.0.0.1", "::1")
# These say how the message itself is sent, which is not for a person to say.
OURS = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "te")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def headers_for(host: str, *, named: bool, encrypted: bool) -> dict[str, str]:
    """The headers for a host; `named` says that it is the one a person named.

    Raises:
        UsageError: a variable holds something else than headers, or `.netrc` cannot be read.
    """
    found = _parsed(HEADERS) if named else {}
    found |= _parsed(f"{HEADERS}_{variable_of(host)}")
    if "authorization" not in map(str.lower, found) and (encrypted or host in LOCAL):
        found |= _from_netrc(host)
    return found


def query_for(host: str, *, named: bool) -> str:
    """The parameters for a host, as they stand in an address."""
    own = from_environment(f"{QUERY}_{variable_of(host)}")
    return own or (from_environment(QUERY) if named else "")


def _parsed(variable: str) -> dict[str, str]:
    found = {}
    for line in from_environment(variable).splitlines():
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not line.strip():
            continue
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise UsageError(
                "the environment holds a header that is none",
                where=variable,
                hint=f"Write lines like this: {variable}='Authorization: Bearer ...'",
            )
        if name.lower() not in OURS:
            found[name] = value
    return found


def _from_netrc(host: str) -> dict[str, str]:
    path = Path(from_environment("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return {}
    try:
        entry = netrc.netrc(str(path)).hosts.get(host)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the file of passwords cannot be read", where=str(path), hint="Correct or remove it."
        ) from error
    if entry is None:
        return {}
    user, _, password = entry
    secret = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
    return {"Authorization": f"Basic {secret}"}
