"""Clouds that no network leads to: known at the first connections, and told in plain words."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from core.data.sources.remote import reaching
from tests.data.conftest import Refuses

HOSTS = {
    "s3://bucket/a.csv": "bucket.s3.amazonaws.com",
    "gs://bucket/a.csv": "storage.googleapis.com",
    "az://box/a.csv": "someone.blob.core.windows.net",
    "hf://datasets/a/b/a.csv": "huggingface.co",
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of a person, so that no library looks elsewhere for some first."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "someone")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bWluZQ==")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose names are asked for, where no name is known."""
    names: list[str] = []

    def nowhere(host: str, *_: object, **__: object) -> object:
        names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    return names


@pytest.mark.parametrize("url", HOSTS)
def test_where_no_name_is_known_few_tries_are_enough(
    refuses: Refuses, asked: list[str], url: str
) -> None:
    error = refuses(url, f"{HOSTS[url]} cannot be reached: the host is not found")
    assert url in str(error)
    assert "HTTPS_PROXY" in error.hint
    # The hub is asked what lies there in two ways.
    assert 1 <= asked.count(HOSTS[url]) <= 2, asked


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a host that lets nobody in and turns nobody away, as firewalls are."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        waiting = []
        while True:
            one = socket.socket()
            one.settimeout(0.5)
            waiting.append(one)
            try:
                one.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{port}"
        for one in waiting:
            one.close()


@pytest.mark.parametrize("url", list(HOSTS)[:3])
def test_a_host_that_says_nothing_is_not_waited_for(
    refuses: Refuses, silent: str, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(reaching, "CONNECT", 1)
    _lead_to(silent, monkeypatch)
    refuses(url, "cannot be reached: it did not answer in time")


@pytest.mark.parametrize("url", list(HOSTS)[:3])
def test_a_host_that_turns_away_is_told(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _lead_to(f"http://127.0.0.1:{port}", monkeypatch)
    refuses(url, "127.0.0.1 cannot be reached: connection refused")


def _lead_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"DefaultEndpointsProtocol=http;AccountName=me;AccountKey=bWluZQ==;BlobEndpoint={address}/me;",
    )


def test_who_azure_does_not_know_is_told_at_once(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    error = refuses("az://box/a.csv", "there are no credentials for az://")
    assert "AZURE_STORAGE_ACCOUNT_KEY" in error.hint
