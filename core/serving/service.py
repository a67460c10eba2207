"""A service as a whole: its engine, its socket, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from core.errors import UsageError
from core.inference.process import EngineProcess
from core.serving.answering import Answering
from core.serving.app import make_app
from core.serving.connections import bounded_protocol
from core.serving.endpoints import Endpoints
from core.serving.keys import Keys
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.settings import Settings

_BACKLOG = 1024


class Service:
    """Serves endpoints until SIGTERM or Ctrl-C, and then finishes what it has."""

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        keys: Keys,
        engine: EngineProcess,
        log: Log | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._log = log or Log()
        metrics = Metrics()
        self._answering = Answering(engine, endpoints, settings.limits, metrics, self._log)
        self._app = make_app(
            settings,
            endpoints,
            answering=self._answering,
            keys=keys,
            metrics=metrics,
            log=self._log,
        )

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve; `ready` hears the address once every model is in memory.

        Raises:
            UsageError: the address or the certificate cannot be used.
            LeptonError: a model cannot be loaded.
        """
        settings, limits = self._settings, self._settings.limits
        certificate = _certificate(settings.certificate, settings.private_key)
        listening = _listen(settings.host, settings.port)
        address = _address(settings, listening)
        # uvicorn's own words go nowhere: the log has all of it, in one form.
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        logging.getLogger("uvicorn").propagate = False
        config = uvicorn.Config(
            self._app,
            loop="uvloop",
            http=bounded_protocol(limits),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=round(limits.idle_seconds),
            timeout_graceful_shutdown=round(limits.drain),
            ssl_context_factory=(lambda *_: certificate) if certificate else None,
        )
        server = _Server(config)
        try:
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                runner.run(self._serve(server, listening, lambda: ready(address)))
        finally:
            listening.close()
            self._engine.close()
            self._log.close()

    async def _serve(
        self, server: _Server, listening: socket.socket, ready: Callable[[], None]
    ) -> None:
        serving = asyncio.create_task(server.serve([listening]))
        loading = asyncio.create_task(self._answering.loaded())
        try:
            await asyncio.wait({serving, loading}, return_when=asyncio.FIRST_COMPLETED)
            if loading.done() and loading.exception() is None:
                ready()
            elif not serving.done():
                server.should_exit = True
            await serving
            self._log.say("stopped")
        finally:
            loading.cancel()
            self._answering.close()
        if self._answering.failure is not None and not self._answering.ready:
            raise self._answering.failure


class _Server(uvicorn.Server):
    """Ends well when it is asked to end; uvicorn would raise the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {
            each: signal.signal(each, self._asked) for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """The second time, what is at work is left."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Raises UsageError when the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the service cannot listen: {what.lower()}",
            where=f"{host}:{port}",
            hint="Name another with --host and --port; --port 0 takes a free one.",
        ) from error
    return listening


def _address(settings: Settings, listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{settings.scheme}://{shown}:{port}"


def _certificate(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """Raises UsageError when the files are no certificate and key."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password: there is nobody to type one.
        context.load_cert_chain(certificate, private_key, password="")
    except (OSError, ssl.SSLError) as error:
        what = "the key needs a password" if "PASSWORD" in str(error).upper() else str(error)
        where = f"{certificate}, {private_key}" if private_key else str(certificate)
        hint = "Name PEM files: --cert FILE --key FILE"
        raise UsageError(f"TLS cannot be used: {what}", where=where, hint=hint) from error
    return context
