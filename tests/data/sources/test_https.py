"""On the way to a server: certificates, proxies, silence, and cancelling at any moment."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme

from core.data.lake.lake import Lake
from core.data.sources import Reading, import_source
from core.data.sources.remote.address import same_place
from core.errors import Cancelled
from tests.data.conftest import Refuses, state
from tests.data.sources.files import read
from tests.data.sources.web_server import Server, send, serving, silent_server

TABLE = b"a,b\n1,x\n2,y\n"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.FIRST_WAIT", 0.001)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NETRC", "/nowhere")
    for name in ("LEPTON_HTTP_HEADERS", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as server:
        yield server


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def test_a_certificate_of_ones_own_is_trusted_by_name(
    lake: Lake, secure: Server, trusted: Path
) -> None:
    assert len(read(lake, secure.says("/a.csv", TABLE))[1]) == 2


def test_a_certificate_of_nobody_is_not(secure: Server, refuses: Refuses) -> None:
    error = refuses(secure.says("/a.csv", TABLE), "certificate is not trusted")
    assert "SSL_CERT_FILE" in error.hint
    assert not secure.asked


def test_what_is_not_encrypted_is_said(refuses: Refuses) -> None:
    with serving() as server:
        refuses(server.url.replace("http", "https") + "/a.csv", "does not speak https")


def test_from_encrypted_to_plain_is_not_followed(
    secure: Server, trusted: Path, refuses: Refuses
) -> None:
    with serving() as plain:
        url = secure.says("/a.csv", "", 302, Location=plain.says("/a.csv", TABLE))
        refuses(url, "an address that is not followed")
        assert not plain.asked


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SSL_CERT_FILE", "/no/such/file", "certificates in SSL_CERT_FILE"),
        ("SSL_CERT_FILE", __file__, "certificates in SSL_CERT_FILE"),
        ("https_proxy", "gopher://proxy:70", "a proxy in the environment"),
    ],
)
def test_an_environment_that_cannot_be_used(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    refuses("https://127.0.0.1:9/a.csv", words, code=2)


@contextmanager
def proxy(status: str) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that opens tunnels, or answers with a status; its address, and what it was asked."""
    asked: list[bytes] = []

    def pass_on(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def serve(near: socket.socket) -> None:
        with near:
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            asked.append(head)
            near.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
            if not status.startswith("200"):
                return
            host, _, port = head.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port))) as far:
                threading.Thread(target=pass_on, args=(far, near), daemon=True).start()
                pass_on(near, far)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(
                        target=serve, args=(listening.accept()[0],), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://me:word@127.0.0.1:{listening.getsockname()[1]}", asked
        listening.shutdown(socket.SHUT_RDWR)


def test_through_a_proxy_the_secret_goes_in_the_tunnel(
    lake: Lake, secure: Server, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEPTON_HTTP_HEADERS", "Authorization: Bearer s3cret")
    with proxy("200 OK") as (address, asked):
        monkeypatch.setenv("https_proxy", address)
        assert len(read(lake, secure.says("/a.csv", TABLE))[1]) == 2
    assert secure.asked[0][1]["Authorization"] == "Bearer s3cret"
    (head,) = asked
    assert head.startswith(b"CONNECT 127.0.0.1:")
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in head
    assert b"s3cret" not in head


def test_a_proxy_that_refuses(
    secure: Server, refuses: Refuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy("407 Proxy Authentication Required") as (address, asked):
        monkeypatch.setenv("https_proxy", address)
        error = refuses(secure.url + "/a.csv", "the proxy says 407")
        assert len(asked) == 1, "it will not think otherwise the next time"
    assert "word" not in str(error)


def test_a_host_that_nobody_knows(refuses: Refuses) -> None:
    error = refuses("https://no-such-host.invalid/a.csv", "the host is not found")
    assert (error.what, error.where) == (
        "the host is not found",
        "https://no-such-host.invalid/a.csv",
    ), "it is not tried again"


def test_a_server_that_says_nothing(refuses: Refuses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.TIMEOUT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.csv"
        refuses(url, "could not be read in 5 tries: the server did not answer in time")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cancelled_before_a_word_came(lake: Lake, scheme: str) -> None:
    """Before the headers; and of https, before the connection is even encrypted."""
    before = state(lake)
    with silent_server() as (port, reached), pytest.raises(Cancelled):
        url = f"{scheme}://127.0.0.1:{port}/a.csv"
        import_source(lake, url, reading=Reading(should_stop=reached.is_set))
    assert state(lake) == before


def test_cancelled_while_it_waits_for_the_next_try(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.sources.remote.web.FIRST_WAIT", 3600)
    tried = threading.Event()

    def busy(request: BaseHTTPRequestHandler) -> None:
        send(request, b"", 503)
        tried.set()

    with serving() as server, pytest.raises(Cancelled):
        url = server.does("/a.csv", busy)
        import_source(lake, url, reading=Reading(should_stop=tried.is_set))


def test_packed_parts_after_each_other_are_one(lake: Lake) -> None:
    packed = gzip.compress(TABLE) + gzip.compress(b"3,z\n")
    with serving() as server:
        url = server.says("/a.csv", packed, Content_Encoding="gzip")
        assert [row[1] for row in read(lake, url)[1]] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("http://host/b", True),
        ("http://host:80/b", True),
        ("https://host/b", True),
        ("http://host:8080/b", False),
        ("https://host:8443/b", False),
        ("http://host.evil/b", False),
    ],
)
def test_whom_a_secret_is_for(asked: str, same: bool) -> None:
    assert same_place("http://host/a", asked) == same
    assert not same_place("https://host/a", "http://host/a")
