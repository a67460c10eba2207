"""A service as a whole: its engine, its socket, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import uvicorn

from core.errors import LeptonError, UsageError
from core.inference.process import EngineProcess
from core.serving.answering import Answering
from core.serving.app import make_app
from core.serving.connections import bounded_protocol
from core.serving.endpoints import Endpoints
from core.serving.jobs import Jobs
from core.serving.keys import Keys
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.running import Running, Services, socket_of
from core.serving.settings import Settings
from core.serving.traffic import Traffic
from core.serving.watching import Watching

_BACKLOG = 1024


class Service:
    """Serves endpoints until SIGTERM or Ctrl-C, and then finishes what it has."""

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        keys: Keys,
        engine: EngineProcess,
        *,
        log: Log | None = None,
        name: str = "",
        log_path: Path | None = None,
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._engine = engine
        self._log = log or Log()
        self._log_path = log_path
        self._name = name or uuid4().hex[:12]
        self._metrics = metrics = Metrics()
        self._traffic = Traffic()
        self._answering = Answering(engine, endpoints, settings.limits, metrics, self._log)
        self._jobs = Jobs(endpoints.workspace, endpoints, self._answering, self._log)
        self._app = make_app(
            settings,
            endpoints,
            answering=self._answering,
            jobs=self._jobs,
            keys=keys,
            metrics=metrics,
            traffic=self._traffic,
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
            with (
                self._listed(address) as watched,
                asyncio.Runner(loop_factory=config.get_loop_factory()) as runner,
            ):
                runner.run(self._serve(server, listening, watched, lambda: ready(address)))
        finally:
            listening.close()
            self._engine.close()
            self._log.close()

    async def _serve(
        self,
        server: _Server,
        listening: socket.socket,
        watched: Path | None,
        ready: Callable[[], None],
    ) -> None:
        watching = None if watched is None else Watching(watched, lambda: self._told(server))
        if watching is not None:
            await watching.start()
        serving = asyncio.create_task(server.serve([listening]))
        self._answering.start()
        self._jobs.start()
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
            if watching is not None:
                watching.close()
            self._jobs.close()
            self._answering.close()
        if self._answering.failure is not None and not self._answering.ready:
            raise self._answering.failure

    @contextmanager
    def _listed(self, address: str) -> Iterator[Path | None]:
        """Among the services that run, with the path of the socket by which it says how it does;
        None where the place for that cannot be had: it serves all the same."""
        workspace, certificate = self._endpoints.workspace, self._settings.certificate
        try:
            services, watched = Services(workspace), socket_of(self._name)
        except LeptonError as error:
            self._log.say("not_listed", error=str(error))
            yield None
            return
        running = Running(
            id=self._name,
            home=str(workspace.home),
            pid=os.getpid(),
            address=address,
            models=tuple(each.ref for each in self._endpoints.all()),
            keys=self._settings.keys,
            certificate=str(certificate.absolute()) if certificate else None,
            started=time.time(),
            socket=str(watched),
            log=str(self._log_path) if self._log_path else None,
        )
        with services.entered(running):
            yield watched

    def _told(self, server: _Server) -> dict[str, Any]:
        """How it does now, for whoever watches."""
        traffic = self._traffic.told()
        failure = self._answering.failure
        served = [
            {"name": each.name, "version": each.version, "ref": each.ref, "task": each.task.name}
            | traffic["models"].get(f"{each.name}@{each.label}", {})
            for each in self._endpoints.deployed()
        ]
        return {
            "ready": self._answering.ready,
            "stopping": server.should_exit,
            "failure": None if failure is None else str(failure),
            "in_flight": int(next(iter(self._metrics.in_flight.collect())).samples[0].value),
            "waiting": self._answering.waiting,
            **traffic,
            "models": served,
        }


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
