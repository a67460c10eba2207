"""A real HTTP server on this machine, whose answers a test scripts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    """`answers` maps a path to what handles its requests, `otherwise` handles those of all other
    paths; `asked` is what came in.
    """

    url: str = ""
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    otherwise: Callable[[BaseHTTPRequestHandler], None] = lambda request: send(
        request, b"nothing here", 404
    )

    def says(self, path: str, body: bytes | str, status: int = 200, **headers: str) -> str:
        """Answer a path with a body; its address."""
        content = body.encode() if isinstance(body, str) else body

        def answer(request: BaseHTTPRequestHandler) -> None:
            send(request, content, status, headers)

        return self.does(path, answer)

    def does(self, path: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        self.answers[path] = answer
        return self.url + path

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def send(
    request: BaseHTTPRequestHandler,
    content: bytes,
    status: int = 200,
    headers: dict[str, Any] | None = None,
) -> None:
    named = {name.replace("_", "-"): str(value) for name, value in (headers or {}).items()}
    request.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **named}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


@contextmanager
def serving(encrypted: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.path, dict(self.headers.items())))
            known = server.answers.get(self.path) or server.answers.get(self.path.partition("?")[0])
            (known or server.otherwise)(self)

        do_HEAD = do_POST = do_GET  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that goes away is part of the tests."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        if encrypted is not None:
            http.socket = encrypted.wrap_socket(http.socket, server_side=True)
        scheme = "http" if encrypted is None else "https"
        server.url = f"{scheme}://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A port that takes a connection and never answers, and whether something came over it."""
    reached, free = threading.Event(), threading.Event()

    def accept() -> None:
        with silent.accept()[0] as connection:
            connection.recv(4096)
            reached.set()
            free.wait()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield silent.getsockname()[1], reached
        free.set()
        thread.join()
