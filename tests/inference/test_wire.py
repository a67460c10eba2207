"""What the engine and those who ask it send each other: whole, in turn, and without waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from core.inference.hearing import awaited
from core.inference.outgoing import Outgoing
from core.inference.wire import Incoming, Message, frame

PATIENCE = 30.0
LARGE = b"\x00\xff" * 1_000_000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    there.settimeout(PATIENCE)
    with here, there:
        yield here, there


def received(there: socket.socket, count: int) -> list[Message]:
    incoming, found = Incoming(), []
    while len(found) < count:
        found += incoming.feed(there.recv(1 << 16))
    return found


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    sent: list[Message] = [
        {"id": 1, "rows": [{"image": b"\x89PNG", "name": "ü"}, {"image": b""}], "last": LARGE[:99]},
        {"id": 2, "text": '{"$bytes": [0, 4]}'},
        # What a person wrote is no place of bytes, and harms nobody.
        {"id": 3, "odd": {"$bytes": "x"}, "own": b"12"},
    ]
    whole = b"".join(map(frame, sent))
    for size in (1, 3, 7, len(whole)):
        incoming, found = Incoming(), []
        for at in range(0, len(whole), size):
            found += incoming.feed(whole[at : at + size])
        assert found == sent


def test_who_is_none_of_ours_is_known() -> None:
    for odd in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x02\x00\x00\x00\x00{}"[:8] + b"xx"):
        with pytest.raises(ConnectionError):
            list(Incoming().feed(odd))


def test_nobody_waits_for_who_does_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    out = Outgoing()
    out.send({"id": 0})
    out.open(here)
    assert out.unread == 0
    for number in range(1, 4):
        out.send({"id": number, "data": LARGE}, number)
    assert out.unread > 0
    assert out.take_back(2), "one that waits is never sent"
    assert not out.take_back(1), "of the first a part has gone"
    assert not out.take_back(0)
    out.send({"id": 4})
    found = received(there, 4)
    assert [message["id"] for message in found] == [0, 1, 3, 4]
    assert all(message["data"] == LARGE for message in found[1:3])
    out.finish(PATIENCE)
    assert out.unread == 0


@pytest.mark.parametrize("waits", [True, False], ids=["blocking", "as a loop has left it"])
def test_many_threads_send_whole_messages(
    pair: tuple[socket.socket, socket.socket], waits: bool
) -> None:
    here, there = pair
    here.setblocking(waits)
    out = Outgoing()
    out.open(here)

    def send(first: int) -> None:
        for number in range(first, first + 20):
            out.send({"id": number, "data": LARGE[:50_000]})

    threads = [threading.Thread(target=send, args=(100 * at,)) for at in range(4)]
    for each in threads:
        each.start()
    found = [message["id"] for message in received(there, 80)]
    for each in threads:
        each.join()
    assert sorted(found) == sorted(100 * at + number for at in range(4) for number in range(20))
    for at in range(4):
        assert [n for n in found if n // 100 == at] == [*range(100 * at, 100 * at + 20)]


def test_one_who_has_left_is_sent_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    out = Outgoing()
    out.open(here)
    out.send({"data": LARGE})
    there.close()
    out.finish(PATIENCE)
    out.send({"data": LARGE})
    assert out.unread == 0


async def test_what_a_thread_does_is_awaited_on_a_loop() -> None:
    asked: Future[int] = Future()
    coming = awaited(asked)
    threading.Thread(target=asked.set_result, args=(7,)).start()
    async with asyncio.timeout(PATIENCE):
        await coming
    assert asked.result() == 7
    own: Future[int] = Future()
    coming = awaited(own)
    own.set_result(8)
    assert coming.done(), "no turn of the loop lies between"
