"""Between the requests and the engine: who waits, for how long, and what becomes of a crash."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from starlette.types import Receive

from core.errors import LeptonError
from core.inference.faults import EngineEnded
from core.inference.messages import Answer, Row
from core.inference.process import EngineProcess
from core.serving.calls import Call
from core.serving.endpoints import Deployed, Endpoints
from core.serving.log import Log
from core.serving.metrics import Metrics
from core.serving.problems import CLIENT_LEFT, Refused, retry_after
from core.serving.settings import Limits

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
        self._engine = engine
        self._endpoints = endpoints
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._waiting = 0
        self._loading: asyncio.Task[None] | None = None
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
        if self._waiting >= self._limits.waiting:
            raise Refused(429, "too many requests are waiting", headers=retry_after(1))
        call.rows = len(rows)
        began = time.perf_counter()
        self._wait(+1)
        try:
            answers = await self._answered(self._submit(deployed, rows), call, receive)
        except EngineEnded:
            self._ended()
            raise
        finally:
            self._wait(-1)
        of = (deployed.name, deployed.label)
        self._metrics.engine_seconds.labels(*of).observe(time.perf_counter() - began)
        self._metrics.rows.labels(*of).observe(len(rows))
        if failed := sum(1 for answer in answers if not answer.ok):
            self._metrics.row_errors.labels(*of).inc(failed)
        return answers

    def shadow(self, name: str, chosen: Deployed, rows: Sequence[Row], said: list[Answer]) -> None:
        """Ask those who look on, once the answer is there; nobody waits for them."""
        for other in self._endpoints.shadows(name):
            count = self._metrics.shadows.labels(other.name, other.label, "left_out").inc
            # Who looks on comes after everybody who waits for an answer.
            if self._waiting > self._limits.waiting // 4:
                count(len(rows))
                continue
            self._submit(other, rows).add_done_callback(partial(self._compare, other, said))

    def load(self) -> None:
        """Have every model in memory, from now on and after a crash; `ready` says when."""
        if self._loading is None or self._loading.done():
            self.ready = False
            self._metrics.ready.set(0)
            self._loading = asyncio.get_running_loop().create_task(self._load())

    async def loaded(self) -> None:
        """Wait until the models are loaded, or are known not to be.

        Raises:
            LeptonError: a model cannot be loaded.
        """
        while not self.ready:
            if self._loading is None:
                self.load()
            assert self._loading is not None
            await self._loading
            if self.failure is not None:
                raise self.failure

    def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()

    async def _load(self) -> None:
        self.failure = None
        for deployed in self._endpoints.deployed():
            try:
                await asyncio.to_thread(self._engine.load, deployed.ref)
            except LeptonError as error:
                self.failure = error
                self._log.say("load_failed", model=deployed.ref, error=str(error))
                return
            # Made now, not by the first request.
            assert deployed.form.request
        # A full collection looks at all that stays for good; frozen, it does not.
        gc.collect()
        gc.freeze()
        self.ready = True
        self._metrics.ready.set(1)
        self._log.say("ready", models=[each.ref for each in self._endpoints.deployed()])

    def _submit(self, deployed: Deployed, rows: Sequence[Row]) -> Future[list[Answer]]:
        return self._engine.submit(deployed.ref, rows)

    async def _answered(
        self, asked: Future[list[Answer]], call: Call, receive: Receive
    ) -> list[Answer]:
        answer = asyncio.wrap_future(asked)
        try:
            left = call.left()
            if left > 0:
                await asyncio.wait({answer}, timeout=min(_SOON, left))
            if not answer.done() and left > _SOON:
                await self._patiently(answer, call, receive)
            if answer.done():
                return answer.result()
        finally:
            # Taken back, it makes room for others.
            answer.cancel()
        raise Refused(504, "the time for an answer is over", hint="Ask again, or for fewer rows.")

    async def _patiently(
        self, answer: asyncio.Future[list[Answer]], call: Call, receive: Receive
    ) -> None:
        """Wait for the answer, the deadline, or the client's leaving."""
        left = asyncio.ensure_future(_left(receive))
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
            self._metrics.restarts.inc()
            self._log.say("engine_ended")
            self.load()

    def _wait(self, more: int) -> None:
        self._waiting += more
        self._metrics.waiting.set(self._waiting)

    def _compare(self, other: Deployed, said: Sequence[Answer], done: Future[list[Answer]]) -> None:
        of = (other.name, other.label)
        if done.cancelled() or done.exception() is not None:
            self._metrics.shadows.labels(*of, "failed").inc(len(said))
            return
        for mine, theirs in zip(said, done.result(), strict=True):
            agrees = "yes" if _gist(mine) == _gist(theirs) else "no"
            self._metrics.shadows.labels(*of, agrees).inc()


def _gist(answer: Answer) -> object:
    """What of an answer counts when two are compared: the label where there is one."""
    return answer.output if answer.label is None else answer.label


async def _left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
