"""An answer that is told part by part to a listener, for who would rather read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from core.errors import LeptonError
from core.generation.pieces import Ending, Piece

Hear: TypeAlias = Callable[[str], None]


class Pieces(Iterator[Piece]):
    """The parts of an answer as they come. Asked for at once; who closes it, from any thread, takes
    it back, and no part comes any more.

    Waits up to `idle` seconds for each part, or for ever; raises LeptonError when nothing came for
    so long, and whatever `ask` and its future raise.
    """

    def __init__(self, ask: Callable[[Hear], Future[Ending]], idle: float | None = None) -> None:
        self._idle = idle
        self._heard: SimpleQueue[str | None] = SimpleQueue()
        self._over = False
        self._ending: Future[Ending] = Future()
        self._ending = ask(self._heard.put)
        heard = self._heard
        self._ending.add_done_callback(lambda _: heard.put(None))

    def __next__(self) -> Piece:
        if self._over:
            raise StopIteration
        try:
            text = self._heard.get(timeout=self._idle)
        except Empty:
            self.close()
            raise LeptonError(
                f"the model has said nothing for {self._idle:g} s",
                hint="It may be loading, or every core may be busy: ask again.",
            ) from None
        if self._over:
            raise StopIteration
        if text is not None:
            return Piece(text)
        self._over = True
        return Piece("", self._ending.result())

    def close(self) -> None:
        """Nobody reads on."""
        self._over = True
        self._ending.cancel()

    def __del__(self) -> None:
        self.close()


async def pieces_of(
    ask: Callable[[Hear], Awaitable[Future[Ending]]],
    take_back: Callable[[Future[Ending]], object],
) -> AsyncGenerator[Piece]:
    """The parts of an answer as they come, on an event loop; who is cancelled takes it back.

    Raises whatever `ask` and its future raise.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[str | None] = asyncio.Queue()

    def hear(text: str | None) -> None:
        # A loop that is closed has nobody left who reads.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(heard.put_nowait, text)

    asking = asyncio.ensure_future(ask(hear))
    try:
        ending = await asyncio.shield(asking)
    except asyncio.CancelledError:
        # It is at work before it is known, and then nobody waits for it.
        asking.add_done_callback(lambda done: _lost(done, take_back))
        raise
    try:
        ending.add_done_callback(lambda _: hear(None))
        while (text := await heard.get()) is not None:
            yield Piece(text)
        yield Piece("", ending.result())
    finally:
        if not ending.done():
            take_back(ending)


def _lost(
    asked: asyncio.Future[Future[Ending]], take_back: Callable[[Future[Ending]], object]
) -> None:
    if not asked.cancelled() and asked.exception() is None:
        take_back(asked.result())
