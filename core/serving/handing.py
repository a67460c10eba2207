"""Requests on their way to the engine. The event loop never waits for it, even if it has stopped.

Writing to a process that does not read waits as soon as the socket is full. What surely fits is
written at once, which is quickest; everything else by a thread, in turn.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from core.generation.chat import Prompt
from core.generation.pieces import Piece
from core.generation.sampling import Sampling
from core.inference.hearing import pieces_of
from core.inference.messages import Answer, Embedded, Row
from core.inference.process import EngineProcess

AT_ONCE = 48 * 1024
"""Bytes of requests that surely fit into a socket, a third more in base64."""

Done = TypeVar("Done")


class Handing:
    """Hands rows to the engine, and takes them back. For one event loop."""

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "engine-requests")
        self._lock = threading.Lock()
        self._in_turn = 0
        self._under_way = 0
        self._taken_back = 0
        """Bytes of requests that the engine may not have read, since it has answered nothing."""

    def begun(self, size: int) -> bool:
        """A request of about so many bytes begins, and is to be `ended`; whether it fits."""
        self._under_way += size
        return self._in_turn == 0 and self._under_way + self._taken_back < AT_ONCE

    def at_once(self, ref: str, rows: Sequence[Row]) -> Future[list[Answer]]:
        """The answers to come, of rows that fit."""
        return self._engine.submit(ref, rows)

    async def in_turn(self, ref: str, rows: Sequence[Row]) -> Future[list[Answer]]:
        """The answers to come, once the rows had their turn."""
        asked = self._turn(lambda: self._engine.submit(ref, rows))
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            # If its turn is now, it is taken back as soon as that is over.
            asked.add_done_callback(_take_back)
            raise

    def stream(self, ref: str, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]:
        """The parts of an answer as they come; who stops reading takes it back."""
        return pieces_of(
            lambda hear: asyncio.wrap_future(
                self._turn(lambda: self._engine.stream(ref, prompt, sampling, hear))
            ),
            lambda ending: self._turn(ending.cancel),
        )

    async def embed(self, ref: str, texts: Sequence[str]) -> Future[list[Embedded]]:
        """The vectors to come, once the texts had their turn."""
        return await asyncio.wrap_future(self._turn(lambda: self._engine.embed(ref, texts)))

    def take_back(self, asked: Future[Any]) -> None:
        """Nobody waits for it any more."""
        self._turn(asked.cancel)

    def ended(self, size: int, asked: Future[list[Answer]] | None) -> None:
        """It is answered, or else nobody waits for it any more and it is taken back."""
        self._under_way -= size
        if asked is not None and asked.done():
            self._taken_back = 0
            return
        self._taken_back += size
        if asked is not None:
            self._turn(asked.cancel)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _turn(self, work: Callable[[], Done]) -> Future[Done]:
        with self._lock:
            self._in_turn += 1
        asked = self._thread.submit(work)
        asked.add_done_callback(self._turned)
        return asked

    def _turned(self, _: object) -> None:
        with self._lock:
            self._in_turn -= 1


def _take_back(asked: Future[Future[list[Answer]]]) -> None:
    if not asked.cancelled() and asked.exception() is None:
        asked.result().cancel()
