"""Who may ask: keys, hosts, origins and rates."""

from __future__ import annotations

import re
import socket
import time
from collections import OrderedDict
from urllib.parse import parse_qsl, urlsplit

from core.serving.keys import Key, Keys
from core.serving.problems import Refused, retry_after
from core.serving.settings import Settings, is_loopback

OPEN = frozenset({"/healthz", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""What anybody may ask: whoever restarts or balances a service has no key."""
METRICS = "/metrics"
_KEY_NAMES = frozenset(
    {"key", "api_key", "api-key", "apikey", "x-api-key", "token", "access_token", "authorization"}
)
_OWN_KEY = re.compile(r"lep_[0-9a-f]{8}_")
_ADDRESS = re.compile(r"[0-9.]+|\[[0-9a-fA-F:.]+\]")
_MOST_CALLERS = 10_000
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lepton"'}


class Guard:
    """Lets a request in, or says why not."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        self._hosts = {"localhost", settings.host.lower(), *map(str.lower, settings.hosts)}
        if not settings.local:
            self._hosts.add(socket.gethostname().lower())
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def host(self, host: str, origin: str, *, http_1_0: bool = False) -> None:
        """Whether it was called by a name of its own, and not by a page of somebody else's.

        A page could otherwise have its own name point to this machine, and read what is here.

        Raises:
            Refused: it was not.
        """
        if not host and http_1_0:
            return
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) else host
        bare = name.lower().rstrip(".")
        address = _ADDRESS.fullmatch(bare) is not None
        if not (
            bare in self._hosts or (address and (not self._settings.local or is_loopback(bare)))
        ):
            raise Refused(
                421,
                "the service is not known by this name",
                where=f"Host: {host[:80]}",
                hint="Start it with --allow-host NAME.",
            )
        if origin and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(
                403, "pages of other sites are not let in", where=f"Origin: {origin[:80]}"
            )

    def url(self, query: str) -> None:
        """Whether no key is in the URL, where logs and histories would keep it.

        Raises:
            Refused: one is.
        """
        if not query:
            return
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name.lower() in _KEY_NAMES or _OWN_KEY.match(value):
                raise Refused(
                    400,
                    "a key does not belong into a URL",
                    where="the query",
                    hint="Send it in a header: Authorization: Bearer KEY. Logs and histories keep"
                    " URLs: remove this key and make another.",
                )

    def admit(self, path: str, authorization: str, api_key: str, client: str) -> Key | None:
        """The key of a request; None where it needs none.

        Raises:
            Refused: it has none, a wrong one or one for other things, or asks too often.
        """
        if path in OPEN:
            return None
        key = self._known(path, authorization, api_key) if self._settings.keys else None
        if self._settings.limits.rate and path != METRICS:
            self._take(key.prefix if key else client)
        return key

    def _known(self, path: str, authorization: str, api_key: str) -> Key:
        kind, _, token = authorization.partition(" ")
        token = token.strip() if kind.lower() == "bearer" else api_key.strip()
        if not token:
            raise Refused(
                401,
                "a key is needed",
                hint="Send Authorization: Bearer KEY or X-API-Key: KEY.",
                headers=_CHALLENGE,
            )
        key = self._keys.find(token)
        if key is None:
            raise Refused(401, "the key is wrong", headers=_CHALLENGE)
        if key.expired:
            raise Refused(401, "the key has expired", headers=_CHALLENGE)
        scope = "metrics" if path == METRICS else "infer"
        if not key.may(scope):
            raise Refused(403, f"the key is not for this: its scope lacks {scope}")
        return key

    def _take(self, caller: str) -> None:
        """A token out of the caller's bucket, which fills up at the rate and holds a second's."""
        rate = self._settings.limits.rate
        most, now = max(1.0, rate), time.monotonic()
        tokens, seen = self._buckets.pop(caller, (most, now))
        tokens = min(most, tokens + (now - seen) * rate)
        self._buckets[caller] = (max(0.0, tokens - 1) if tokens >= 1 else tokens, now)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = (1 - tokens) / rate
            raise Refused(429, f"more than {rate:g} requests a second", headers=retry_after(wait))
