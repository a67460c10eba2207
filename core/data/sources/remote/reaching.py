"""How the clouds' own libraries reach out: whether there is a way to a service is known in seconds.

Left alone they knock for up to a minute where no network leads out. Here each first connection is
bounded, in time and tries, by the settings of its library. What is under way is not: a slow link
may be slow, and an answer that fails is asked for again as often as the library does.
"""

from __future__ import annotations

import os
import socket
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.data.sources.desk import Desk
from core.data.sources.remote.failures import causes, system_words

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

# Seconds for one connection, with its encryption; and how many are tried.
CONNECT = 5
TRIES = 2
# Seconds of silence within an answer.
SILENCE = 60
# What the libraries call it when no connection came about.
_UNREACHED = frozenset(
    {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectTimeoutError",
        "ConnectionTimeoutError",
        "EndpointConnectionError",
        "OfflineModeIsEnabled",
        "ServiceRequestError",
        "ServiceRequestTimeoutError",
        "UnreachedError",
    }
)
_WAITED = frozenset({"ConnectTimeout", "ConnectionTimeoutError", "ServiceRequestTimeoutError"})
GOOGLE = "https://www.googleapis.com/auth/devstorage.read_only"


class UnreachedError(ConnectionError):
    """No connection came about; no library tries again after it."""


def file_system(desk: Desk, scheme: str) -> AbstractFileSystem:
    """The file system of a scheme, whose package is there, with what it needs to connect.

    Raises:
        Exception: whatever the library raises, of credentials for one.
    """
    import fsspec

    # Never from a cache: a refresh must see what is there now.
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        retries = {"mode": "standard", "total_max_attempts": TRIES}
        options["config_kwargs"] = {"connect_timeout": CONNECT, "retries": retries}
        if not _has_aws_credentials():
            desk.note("no AWS credentials were found; the bucket was read as anybody may")
            options["anon"] = True
    elif scheme in ("gs", "gcs"):
        import aiohttp

        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=SILENCE)
        options["requests_timeout"] = limits
        options["session_kwargs"] = {"trace_configs": [_google_tries()], "trust_env": True}
        options["token"] = _google_credentials()
        if options["token"] == "anon":  # noqa: S105 - it is none
            desk.note("no Google credentials were found; the bucket was read as anybody may")
    elif scheme == "hf":
        bound_hub()
    system = fsspec.filesystem(scheme, **options)
    if scheme in ("az", "abfs", "abfss"):
        system.service_client = _bounded_azure(system.service_client)
    return system


def reached(system: AbstractFileSystem) -> None:
    """The service has answered: what fails from here on is tried as often as its library does."""
    if "s3" in system.protocol:
        system.config_kwargs = {"connect_timeout": CONNECT}
        system.connect(refresh=True)


def bound_hub() -> None:
    """Bound how huggingface_hub connects, for this process."""
    import huggingface_hub as hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    if not hasattr(hub, "set_client_factory"):
        return  # Before 1.0 it had its own sessions.
    theirs = hub.get_session()
    if getattr(type(theirs), "bounded", False):
        return
    http: Any = import_module(type(theirs).__module__.partition(".")[0])

    class Client(http.Client):  # type: ignore[misc]
        bounded = True

        def send(self, request: Any, **how: Any) -> Any:
            if (limits := request.extensions.get("timeout")) is not None:
                limits["connect"] = min(limits.get("connect") or CONNECT, CONNECT)
            tries = TRIES
            while True:
                try:
                    return super().send(request, **how)
                except (http.ConnectError, http.ConnectTimeout) as error:
                    tries -= 1
                    if not tries or _for_good(error):
                        # As if it were told to be offline: then it looks into its cache alone.
                        raise OfflineModeIsEnabled(unreached(error)) from error

    hooks, follows = theirs.event_hooks, theirs.follow_redirects
    hub.set_client_factory(
        lambda: Client(event_hooks=hooks, follow_redirects=follows, timeout=None)
    )


def unreached(error: BaseException) -> str | None:
    """That there is no way to a service and why, in words; None: it is another failure."""
    chain = list(causes(error))
    if not any(type(each).__name__ in _UNREACHED for each in chain):
        return None
    host = next((found for each in chain if (found := _host(each))), "the service")
    return f"{host} cannot be reached: {system_words(error) or 'it did not answer in time'}"


def _for_good(error: BaseException | None) -> bool:
    """Whether a second try mends nothing: the host means nothing here, or was waited for already.

    A connection is asked for several times within its seconds.
    """
    return any(
        each.errno == socket.EAI_NONAME
        if isinstance(each, socket.gaierror)
        else type(each).__name__ in _WAITED
        for each in causes(error)
    )


def _host(error: Any) -> str | None:
    """The host that an error of aiohttp, botocore or httpx tells of."""
    if isinstance(host := getattr(error, "host", None), str):
        return host
    if isinstance(facts := getattr(error, "kwargs", None), dict) and facts.get("endpoint_url"):
        return urlsplit(str(facts["endpoint_url"])).hostname
    try:
        return str(error.request.url.host)
    except (AttributeError, RuntimeError):
        return None


def _has_aws_credentials() -> bool:
    try:
        from botocore.session import Session  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        return True
    return Session().get_credentials() is not None


def _google_credentials() -> Any:
    """Those of the environment, of gcloud or of the machine at Google; "anon" without any."""
    # Read as its module is imported: whether this is a machine at Google is asked once.
    os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default(scopes=[GOOGLE])[0]
    except DefaultCredentialsError:
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            raise
        return "anon"


def _google_tries() -> Any:
    """Follows the requests of gcsfs: until an answer came, few connections are tried."""
    import aiohttp

    tries, answered = TRIES, False

    async def came(*_: Any) -> None:
        nonlocal answered
        answered = True

    async def failed(_: Any, __: Any, told: Any) -> None:
        nonlocal tries
        if answered or unreached(told.exception) is None:
            return
        tries -= 1
        if not tries or _for_good(told.exception):
            raise UnreachedError(str(told.exception)) from told.exception

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(came)
    trace.on_request_exception.append(failed)
    return trace


def _bounded_azure(theirs: Any) -> Any:
    """The same client, which does not wait a minute before it says that it cannot connect."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.storage.blob.aio import ExponentialRetry

    class Retry(ExponentialRetry):
        def increment(
            self, settings: Any, request: Any, response: Any = None, error: Any = None
        ) -> bool:
            if isinstance(error, ClientAuthenticationError) or _for_good(error):
                return False
            return bool(super().increment(settings, request, response, error))

    # In all as patient as its own of three, each of which begins with 15 seconds.
    often: dict[str, Any] = dict.fromkeys(("retry_total", "retry_status", "retry_read"), 5)
    often |= {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}
    retry = Retry(retry_connect=TRIES - 1, **often)
    return type(theirs)(
        theirs.url, credential=theirs.credential, retry_policy=retry, connection_timeout=CONNECT
    )
