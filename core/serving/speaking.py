"""Answers that come part by part, between the requests and the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

from core.errors import UsageError
from core.generation.chat import Prompt
from core.generation.pieces import Piece
from core.generation.sampling import Sampling, TooLong
from core.inference.hearing import pieces_of
from core.inference.messages import Embedded
from core.serving.answering import Answering
from core.serving.calls import Call
from core.serving.endpoints import Deployed
from core.serving.problems import CLIENT_LEFT, Refused

Left: TypeAlias = "asyncio.Future[None]"
Made = TypeVar("Made")


class Speaking:
    """Has texts gone on with, for one event loop. `left` is done when the client has left."""

    def __init__(self, answering: Answering, silence: float) -> None:
        self._answering = answering
        self._silence = silence

    async def say(
        self,
        call: Call,
        deployed: Deployed,
        prompt: Prompt,
        sampling: Sampling,
        left: Left,
    ) -> AsyncGenerator[Piece]:
        """The parts of an answer. Who stops reading, or leaves, ends it.

        Raises:
            Refused: the request cannot be, too many wait, the time is over, or the client has left.
            LeptonError: the engine ended, or the model cannot go on.
        """
        began = time.perf_counter()
        metrics, of = self._answering.metrics, (deployed.name, deployed.label)
        with self._answering.admitted():
            engine, ref = self._answering.engine, deployed.ref
            asked = pieces_of(lambda hear: engine.stream(ref, prompt, sampling, hear))
            async with aclosing(asked) as parts:
                while True:
                    part = await self._next(parts, call, left)
                    if began:
                        metrics.first_seconds.labels(*of).observe(time.perf_counter() - began)
                        began = 0.0
                    if part.ending is not None:
                        metrics.prompt_tokens.labels(*of).inc(part.ending.prompt_tokens)
                        metrics.new_tokens.labels(*of).inc(part.ending.new_tokens)
                    yield part
                    if part.ending is not None:
                        return

    async def embed(
        self, call: Call, deployed: Deployed, texts: Sequence[str], left: Left
    ) -> list[Embedded]:
        """A vector for each text; raises what `say` does."""
        with self._answering.admitted():
            asked = self._answering.engine.embed(deployed.ref, texts)
            return await self._in_time(asyncio.wrap_future(asked), call.left(), left)

    async def _next(self, parts: AsyncGenerator[Piece], call: Call, left: Left) -> Piece:
        patience = min(self._silence, call.left()) if call.hurried else self._silence
        return await self._in_time(asyncio.ensure_future(anext(parts)), patience, left)

    async def _in_time(self, coming: asyncio.Future[Made], patience: float, left: Left) -> Made:
        try:
            both: set[asyncio.Future[Any]] = {coming, left}
            await asyncio.wait(
                both, timeout=max(0.0, patience), return_when=asyncio.FIRST_COMPLETED
            )
            if coming.done():
                return coming.result()
            if left.done():
                raise Refused(CLIENT_LEFT, "the client has left")
            raise Refused(504, "the time for an answer is over", hint="Ask again, or for less.")
        except UsageError as error:
            raise unusable(error) from None
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming})


def unusable(error: UsageError) -> Refused:
    """What a client hears of a prompt, or of settings, that a model cannot do with."""
    code = "context_length_exceeded" if isinstance(error, TooLong) else ""
    # Such as "logit_bias": what is wrong with a text has another place.
    where = error.where if error.where.isidentifier() else ""
    return Refused(400, error.what, where=where, hint=error.hint, code=code)
