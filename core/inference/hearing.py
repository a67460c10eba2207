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


def pieces(ask: Callable[[Hear], Future[Ending]], idle: float | None = None) -> Iterator[Piece]:
    """The parts of an answer as they come; who stops reading takes it back.

    Waits up to `idle` seconds for each part, or for ever.

    Raises:
        LeptonError: nothing came for so long; and whatever `ask` and its future raise.
    """
    heard: SimpleQueue[str | None] = SimpleQueue()
    ending = ask(heard.put)
    ending.add_done_callback(lambda _: heard.put(None))
    return _read(heard, ending, idle)


def _read(
    heard: SimpleQueue[str | None], ending: Future[Ending], idle: float | None
) -> Iterator[Piece]:
    try:
        while (text := heard.get(timeout=idle)) is not None:
            yield Piece(text)
        yield Piece("", ending.result())
    except Empty:
        raise LeptonError(
            f"the model has said nothing for {idle:g} s",
            hint="It may be loading, or every core may be busy: ask again.",
        ) from None
    finally:
        ending.cancel()


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
