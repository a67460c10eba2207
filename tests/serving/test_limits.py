"""Bounds of time, number and size: what is over them leaves at once, and the rest is served."""

from __future__ import annotations

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.inference.conftest import png
from tests.serving.conftest import FLOWER, PATIENCE, Running, Start
from tests.serving.test_bad_input import PREDICT, refused


@pytest.fixture(scope="module")
def small(bounded: Start) -> Running:
    """A service with small bounds, and little patience."""
    return bounded(
        "flowers",
        "digits",
        alone=True,
        rows=4,
        body=20_000,
        held=30_000,
        waiting=2,
        connections=8,
        head_seconds=0.5,
        body_seconds=0.5,
        text=100,
    )


@pytest.fixture
def stuck(small: Running) -> Running:
    """The same, while its engine does not answer."""
    engine = small.engine
    engine.suspend()
    yield small
    engine.resume()
    assert small.predict("flowers", FLOWER).status_code == 200


def raw(service: Running, sent: bytes) -> bytes:
    """What comes back on a connection of its own, until the service closes it."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        client.sendall(sent)
        client.settimeout(PATIENCE)
        found = b""
        while part := client.recv(65536):
            found += part
        return found


def test_rows_and_bytes(small: Running) -> None:
    assert small.predict("flowers", *[FLOWER] * 4).status_code == 200
    assert "in parts" in refused(small.predict("flowers", *[FLOWER] * 5), 422)["hint"]
    files = [("file", (f"{at}.png", png(at), "image/png")) for at in range(5)]
    refused(small.client.post(PREDICT.format("digits"), files=files), 422)
    large = {"content-type": "image/png"}
    body = b"\0" * 20_001
    refused(small.client.post(PREDICT.format("digits"), content=body, headers=large), 413)
    chunks = small.client.post(PREDICT.format("digits"), content=iter([body]), headers=large)
    refused(chunks, 413)


def test_a_deadline_ends_a_request_and_can_only_be_lowered(stuck: Running) -> None:
    began = time.monotonic()
    for seconds in ("0.3", "0.02"):
        headers = {"x-request-timeout": seconds}
        refused(stuck.predict("flowers", FLOWER, headers=headers), 504)
    assert time.monotonic() - began < PATIENCE / 2
    for wrong in ("soon", "-1", "0", "nan", "inf", ""):
        refused(stuck.predict("flowers", FLOWER, headers={"x-request-timeout": wrong}), 400)


def test_more_than_may_wait_are_sent_away(stuck: Running) -> None:
    slow = {"x-request-timeout": "3"}
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(stuck.predict, "flowers", FLOWER, headers=slow) for _ in range(2)]
        while stuck.metric("lepton_queue_requests") < 2:
            assert not all(each.done() for each in waiting)
        reply = stuck.predict("flowers", FLOWER)
        refused(reply, 429)
        assert int(reply.headers["retry-after"]) >= 1
        for each in waiting:
            refused(each.result(), 504)
    assert stuck.metric("lepton_queue_requests") == 0


def test_bodies_at_work_are_bounded_together(stuck: Running) -> None:
    slow = {"x-request-timeout": "3", "content-type": "application/json"}
    body = b'{"instances": [{"petal length": 1, "colour": "a"}]}' + b" " * 16_000

    def post() -> httpx2.Response:
        return stuck.client.post(PREDICT.format("flowers"), content=body, headers=slow)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post)
        while stuck.metric("lepton_held_bytes") < 16_000:
            assert not waiting.done()
        refused(post(), 429)
        refused(waiting.result(), 504)
    assert stuck.metric("lepton_held_bytes") == 0


def test_a_client_that_leaves_takes_its_request_with_it(stuck: Running) -> None:
    body = b'{"instances": [{"petal length": 1, "colour": "a"}]}'
    head = (
        f"POST {PREDICT.format('flowers')} HTTP/1.1\r\nHost: 127.0.0.1:{stuck.port}\r\n"
        f"X-Request-ID: leaver\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stuck.port), PATIENCE) as client:
        client.sendall(head.encode() + body)
        while stuck.metric("lepton_queue_requests") < 1:
            pass
    line = stuck.log(lambda line: line.get("id") == "leaver")
    assert line["status"] == 499
    assert stuck.metric("lepton_queue_requests") == 0


def test_an_engine_that_reads_nothing_stops_nobody_else(bounded: Start) -> None:
    service = bounded("moods", "flowers", alone=True, seconds=3.0)
    engine = service.engine
    engine.suspend()
    try:
        with ThreadPoolExecutor(12) as pool:
            large = ["x" * 900_000] * 2
            lost = [pool.submit(service.predict, "moods", *large) for _ in range(6)]
            lost += [pool.submit(service.predict, "flowers", FLOWER) for _ in range(6)]
            while not all(each.done() for each in lost):
                # More than a socket holds is on its way, and still it is quick to say so.
                assert service.client.get("/livez", timeout=1.5).status_code == 200
        assert {each.result().status_code for each in lost} == {504}
    finally:
        engine.resume()
    assert service.predict("moods", "well").status_code == 200
    assert service.metric("lepton_queue_requests") == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 408),
        (b"GET /livez HTTP/1.1\r\nHost: local", 408),
        (b"POST /v1/models/flowers:predict HTTP/1.1\r\nHost: localhost\r\nContent-Type:"
         b" application/json\r\nContent-Length: 100\r\n\r\n{", 408),
        (b"GET /livez HTTP/1.1\r\n" + b"X: " + b"a" * 200_000, 431),
        (b"GET /livez HTTP/1.1\r\n" + b"X: a\r\n" * 40_000, 431),
        (b"this is no HTTP\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_a_slow_or_broken_client_is_answered_and_cut_off(
    small: Running, sent: bytes, status: int
) -> None:
    said = raw(small, sent)
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in said
    assert said.count(b"HTTP/1.1") == 1


def test_who_is_refused_while_sending_hears_why(small: Running) -> None:
    """Not that the connection is broken, which a close over unread bytes would tell."""
    with socket.create_connection(("127.0.0.1", small.port), PATIENCE) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n" + b"X: a\r\n" * 40_000)
        assert select.select([client], [], [], PATIENCE)[0]
        for _ in range(5):
            client.sendall(b"X: a\r\n" * 10_000)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as said:
            assert said.read().startswith(b"HTTP/1.1 431 ")


def test_connections_are_bounded_and_come_back(small: Running) -> None:
    with httpx2.Client(base_url=small.address) as other:
        idle = [socket.create_connection(("127.0.0.1", small.port), PATIENCE) for _ in range(20)]
        said = [each.recv(65536) for each in idle]
        assert any(each.startswith(b"HTTP/1.1 503") for each in said)
        # Those that sent nothing were cut off: there is room again.
        assert all(each.startswith((b"HTTP/1.1 503", b"HTTP/1.1 408")) for each in said)
        for each in idle:
            each.close()
        assert other.get("/livez").status_code == 200


def test_a_rate_is_for_each_caller(bounded: Start) -> None:
    slow = bounded("flowers", rate=0.5)
    assert slow.predict("flowers", FLOWER).status_code == 200
    reply = slow.predict("flowers", FLOWER)
    refused(reply, 429)
    assert reply.headers["retry-after"] in ("1", "2")
    assert slow.client.get("/livez").status_code == 200
    assert slow.metric("lepton_requests_total", status="429") == 1
