"""Between the requests and the engine: who waits, for how long, and what becomes of a crash."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from starlette.types import Message, Receive

from core.errors import LeptonError
from core.inference.faults import Busy, EngineEnded
from core.inference.hearing import awaited, let
from core.inference.messages import Answer, Row
from core.inference.process import EngineProcess
from core.serving.calls import Call
from core.serving.endpoints import Deployed, Endpoints
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.problems import CLIENT_LEFT, Refused, retry_after
from core.serving.settings import Limits

_LOOKED_AFTER, _AGAIN = 30.0, 1.0
"""Seconds after which the models are looked after, and after which it is tried again."""
_TRIES, _BREATH, _PATIENCE = 5, 0.2, 600.0
"""For a part of a batch: how often it is asked, seconds in between, and seconds to wait."""
_SOON = 0.05
"""A client that leaves is looked for only when the answer takes longer than this, in seconds."""


class Answering:
    """Asks the engine, for every protocol alike."""

    def __init__(
        self,
        engine: EngineProcess,
        endpoints: Endpoints,
        limits: Limits,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.engine = engine
        self._endpoints = endpoints
        self._limits = limits
        self.metrics = metrics
        self._log = log
        self._waiting = 0
        self._keeping: asyncio.Task[None] | None = None
        self._lookers: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self.ready = False
        self.failure: LeptonError | None = None
        """Why the models could not be loaded, if they could not."""

    async def ask(
        self, call: Call, deployed: Deployed, rows: Sequence[Row], receive: Receive
    ) -> list[Answer]:
        """One answer for each row.

        Raises:
            Refused: too many wait, the time is over, or the client has left.
            LeptonError: the engine ended, or the model cannot be used at all.
        """
        call.rows = len(rows)
        began = time.perf_counter()
        with self.admitted():
            answers = await self._answered(deployed, rows, call, receive)
        failed = sum(1 for answer in answers if not answer.ok)
        self.metrics.engine_answered(
            (deployed.name, deployed.label), len(rows), failed, time.perf_counter() - began
        )
        return answers

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """While a request is before the engine.

        Raises:
            Refused: too many are.
        """
        if self._waiting >= self._limits.waiting:
            raise Refused(429, "too many requests are waiting", headers=retry_after(1))
        self._wait(+1)
        try:
            yield
        except EngineEnded:
            self._ended()
            raise
        finally:
            self._wait(-1)

    async def ask_patiently(self, deployed: Deployed, rows: Sequence[Row]) -> list[Answer]:
        """One answer for each row, for whom nobody waits: after those for whom somebody does, and
        once more when the engine ended.

        Raises:
            LeptonError: the model cannot be used, or ends the engine each time.
        """
        for left in reversed(range(_TRIES)):
            while self._waiting > self._limits.waiting // 4:
                await asyncio.sleep(_BREATH)
            call = Call("batch", asyncio.get_running_loop().time() + _PATIENCE)
            try:
                return await self.ask(call, deployed, rows, _nobody_leaves)
            except (EngineEnded, Busy):
                if not left:
                    raise
                await asyncio.sleep(_BREATH)
        raise AssertionError

    def shadow(self, name: str, rows: Sequence[Row], said: list[Answer]) -> None:
        """Ask those who look on, once the answer is there; nobody waits for them."""
        for other in self._endpoints.shadows(name):
            count = self.metrics.shadows.labels(other.name, other.label, "left_out").inc
            # Who looks on comes after everybody who waits for an answer.
            if self._waiting > self._limits.waiting // 4:
                count(len(rows))
                continue
            looking = asyncio.get_running_loop().create_task(self._look_on(other, rows, said))
            self._lookers.add(looking)
            looking.add_done_callback(self._lookers.discard)

    @property
    def waiting(self) -> int:
        """Requests that are before the engine."""
        return self._waiting

    def start(self) -> None:
        """Have every model in memory from now on, after a crash too; `ready` says when."""
        loop = asyncio.get_running_loop()
        self.engine.reply_on(loop)
        self._keeping = loop.create_task(self._keep())

    async def loaded(self) -> None:
        """Wait until the models are loaded, or are known not to be.

        Raises:
            LeptonError: a model cannot be loaded.
        """
        await self._tried.wait()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        for looking in self._lookers:
            looking.cancel()

    async def _keep(self) -> None:
        """Load the models, and look every now and then whether they are there.

        So a version that has become the newest is in memory before it is asked much, and an engine
        that was killed, or left because nobody asked, is back before the next one asks.
        """
        while True:
            self._wake.clear()
            self.failure = await self._load()
            self._say_ready(self.failure is None)
            self._tried.set()
            with suppress(TimeoutError):
                again = _AGAIN if self.failure else _LOOKED_AFTER
                await asyncio.wait_for(self._wake.wait(), again)

    async def _load(self) -> LeptonError | None:
        """Why not all models are in memory; None: they are."""
        for deployed in self._endpoints.deployed():
            try:
                await asyncio.to_thread(self.engine.load, deployed.ref)
            except LeptonError as error:
                self._log.say("load_failed", model=deployed.ref, error=str(error))
                return error
            # Made now, not by the first request.
            assert deployed.form.request
        return None

    def _say_ready(self, ready: bool) -> None:
        if ready and not self.ready:
            # A full collection looks at all that stays for good; frozen, it does not.
            gc.collect()
            gc.freeze()
            self._log.say("ready", models=[each.ref for each in self._endpoints.deployed()])
        self.ready = ready
        self.metrics.ready.set(int(ready))

    async def _answered(
        self, deployed: Deployed, rows: Sequence[Row], call: Call, receive: Receive
    ) -> list[Answer]:
        asked = self.engine.submit(deployed.ref, rows)
        try:
            await self._in_time(asked, call, receive)
            return asked.result()
        finally:
            # Nobody waits for it any more.
            asked.cancel()

    async def _in_time(self, asked: Future[Any], call: Call, receive: Receive) -> None:
        """Wait until it is there.

        Raises:
            Refused: it is not in time, or the client has left before.
        """
        left = call.left()
        if left > 0:
            answer = awaited(asked)
            soon = asyncio.get_running_loop().call_later(min(_SOON, left), let, answer)
            try:
                await answer
            finally:
                soon.cancel()
        if not asked.done() and left > _SOON:
            await self._patiently(awaited(asked), call, receive)
        if not asked.done():
            what = "the time for an answer is over"
            raise Refused(504, what, hint="Ask again, or for fewer rows.")

    async def _patiently(self, answer: asyncio.Future[None], call: Call, receive: Receive) -> None:
        """Wait for the answer, the deadline, or the client's leaving."""
        left = asyncio.ensure_future(client_left(receive))
        both: set[asyncio.Future[Any]] = {answer, left}
        try:
            await asyncio.wait(both, timeout=call.left(), return_when=asyncio.FIRST_COMPLETED)
            if left.done() and not answer.done():
                raise Refused(CLIENT_LEFT, "the client has left")
        finally:
            left.cancel()

    def _ended(self) -> None:
        """The engine's process is gone: bring it back before the next one asks."""
        if self.ready:
            self._say_ready(False)
            self.metrics.restarts.inc()
            self._log.say("engine_ended")
            self._wake.set()

    def _wait(self, more: int) -> None:
        self._waiting += more
        self.metrics.waiting.set(self._waiting)

    async def _look_on(self, other: Deployed, rows: Sequence[Row], said: Sequence[Answer]) -> None:
        """Ask a shadow, and count how often it says the same."""
        count = self.metrics.shadows.labels
        of = (other.name, other.label)
        try:
            asked = self.engine.submit(other.ref, rows)
            theirs = await asyncio.wait_for(asyncio.wrap_future(asked), self._limits.seconds)
        except (LeptonError, TimeoutError):
            count(*of, "failed").inc(len(rows))
            return
        for mine, other_says in zip(said, theirs, strict=True):
            count(*of, "yes" if mine.gist == other_says.gist else "no").inc()


async def _nobody_leaves() -> Message:
    """What is received where there is no client."""
    never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await never


async def client_left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
