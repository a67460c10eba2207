"""Answers that come by futures and listeners, for who would rather read or await them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from core.errors import LeptonError
from core.generation.pieces import Ending, Piece

Hear: TypeAlias = Callable[[Piece], None]


class Pieces(Iterator[Piece]):
    """The parts of an answer as they come. Asked for at once; who closes it, from any thread, takes
    it back, and no part comes any more.

    Waits up to `idle` seconds for each part, or for ever; raises LeptonError when nothing came for
    so long, and whatever `ask` and its future raise.
    """

    def __init__(self, ask: Callable[[Hear], Future[Ending]], idle: float | None = None) -> None:
        self._idle = idle
        self._heard: SimpleQueue[Piece | None] = SimpleQueue()
        self._over = False
        self._ending: Future[Ending] = Future()
        self._ending = ask(self._heard.put)
        heard = self._heard
        self._ending.add_done_callback(lambda _: heard.put(None))

    def __next__(self) -> Piece:
        if self._over:
            raise StopIteration
        try:
            piece = self._heard.get(timeout=self._idle)
        except Empty:
            self.close()
            raise LeptonError(
                f"the model has said nothing for {self._idle:g} s",
                hint="It may be loading, or every core may be busy: ask again.",
            ) from None
        if self._over:
            raise StopIteration
        if piece is not None:
            return piece
        self._over = True
        return Piece("", self._ending.result())

    def close(self) -> None:
        """Nobody reads on."""
        self._over = True
        self._ending.cancel()

    def __del__(self) -> None:
        self.close()


async def pieces_of(ask: Callable[[Hear], Future[Ending]]) -> AsyncGenerator[Piece]:
    """The parts of an answer as they come, on an event loop; who stops reading takes it back.

    Raises whatever `ask`, which may not wait, and its future raise.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Piece | None] = asyncio.Queue()

    def hear(piece: Piece | None) -> None:
        on_loop(loop, heard.put_nowait, piece)

    ending = ask(hear)
    try:
        ending.add_done_callback(lambda _: hear(None))
        while (piece := await heard.get()) is not None:
            yield piece
        yield Piece("", ending.result())
    finally:
        ending.cancel()


def awaited(asked: Future[Any]) -> asyncio.Future[None]:
    """Is done on this event loop as soon as the other is, however that ends."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[None] = loop.create_future()
    asked.add_done_callback(lambda _: on_loop(loop, let, coming))
    return coming


def let(coming: asyncio.Future[None]) -> None:
    """Let whoever waits for it go on."""
    if not coming.done():
        coming.set_result(None)


def on_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    """Call it on an event loop: at once where this is its thread, which costs no turn of it."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        call(*args)
        return
    # A loop that is closed has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)
