"""The engine's process: it answers all who come to its socket, and leaves when nobody does.

A request is `{"id", "op", …}` and its reply carries the same id. `load` {model}, `predict` {model,
rows}, `embed` {model, texts}, `generate` {model, prompt, sampling} and `augment` {words, kind,
rows, epochs, seed} are done side by side, as they come; `cancel` {request} takes one back, and so
does going away. A reply is `{"id", "result"}` or `{"id", "error"}` as the error's `to_json` has it;
before that of `generate` come the parts of its answer, each `{"id", "part"}`, with `tokens` where
they are asked for. First of all comes `{"hello": process id}`; and when the engine leaves, `{"bye":
true}`, after which it takes no request.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LeptonError
from core.generation.chat import Message as Said
from core.generation.pieces import Piece
from core.generation.sampling import Sampling
from core.inference.caller import Caller
from core.inference.door import close_door
from core.inference.messages import Embedded, Row, packed, unpacked
from core.inference.wire import Message
from core.runs.priority import step_back
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.inference.engine import Engine

NICENESS = 5
STAY = "LEPTON_ENGINE_STAYS"
"""Seconds that the engine stays when nobody is connected."""
STAY_SECONDS = 120.0
COMING_SECONDS = 10.0
"""Seconds that who started it has to come."""
UNREAD_SECONDS = 60.0
"""So long may parts of an answer wait for who asked to read them; then it ends."""
BYE_SECONDS, CROWDED_SECONDS = 1.0, 1.0
IDLE_SECONDS = 1800.0
"""Seconds that it stays when somebody is connected and asks for nothing."""


class Server:
    """Answers requests from all connections with one engine, which is made at the first of them.

    What a model has made is sent by the thread that made it. The event loop reads requests, waits
    for what has to be loaded first, and knows when nobody asks any more.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._starting = asyncio.Lock()
        self._callers: set[Caller] = set()
        self._coming = select.poll()
        """Who of them has sent something that is not read yet."""
        self._last = 0.0
        self._changed = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Until nobody has asked for anything for a while."""
        self._last = asyncio.get_running_loop().time() + COMING_SECONDS
        meeting = asyncio.create_task(self._meet(listening))
        here = Path(listening.getsockname())
        while True:
            await self._until_idle()
            # Somebody may be coming just now.
            if close_door(here):
                break
            self._touch()
        meeting.cancel()
        for caller in self._callers:
            caller.send({"bye": True})
        for caller in self._callers:
            caller.finish(BYE_SECONDS)

    @property
    def at_work(self) -> bool:
        """Whether anybody waits for anything."""
        return any(caller.at_work for caller in self._callers)

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            stay = IDLE_SECONDS if self._callers else float(os.environ.get(STAY, STAY_SECONDS))
            last = max(self._last, *(caller.last for caller in self._callers), 0.0)
            left = stay if self.at_work else last + stay - loop.time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _touch(self) -> None:
        """Something has happened: the time until it leaves begins anew."""
        self._last = asyncio.get_running_loop().time()
        self._changed.set()

    async def _meet(self, listening: socket.socket) -> None:
        """Let in whoever comes."""
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                there, _ = await loop.sock_accept(listening)
            except OSError:
                # There are as many files open as there may be.
                await asyncio.sleep(CROWDED_SECONDS)
                continue
            there.setblocking(True)
            caller = Caller(there, self._take, self._gone)
            self._callers.add(caller)
            self._coming.register(caller.fileno, select.POLLIN)
            self._touch()
            caller.send({"hello": os.getpid()})

    def _gone(self, caller: Caller) -> None:
        self._callers.discard(caller)
        self._coming.unregister(caller.fileno)
        self._touch()

    def _take(self, caller: Caller, request: Message, alone: bool) -> None:
        """Begin with a request: at once where its model is in memory, and right here where it came
        alone, nobody else's is coming, and its model is quick."""
        number, op = request["id"], request["op"]
        engine = self._engine if op in ("predict", "embed") else None
        if engine is not None and (found := engine.held(request["model"])) is not None:
            asked: Future[Any]
            try:
                here = alone and not self._coming.poll(0)
                asked = _ask(engine, caller, {**request, "model": found}, here=here)
            except Exception as error:
                asked = Future()
                asked.set_exception(error)
            _reply_with(asked, caller, number, op)
            return
        caller.works(number, asyncio.create_task(self._reply(caller, request)))

    async def _reply(self, caller: Caller, request: Message) -> None:
        number, op = request["id"], request["op"]
        try:
            engine = None if op == "augment" else await self._made()
            match op:
                case "ping":
                    result: Any = os.getpid()
                case "augment":
                    result = await asyncio.to_thread(_augmented, request)
                case "load":
                    assert engine is not None
                    result = await asyncio.to_thread(_loaded, engine, request["model"])
                case "predict" | "embed" | "generate":
                    assert engine is not None
                    asking = asyncio.ensure_future(asyncio.to_thread(_ask, engine, caller, request))
                    try:
                        asked = await asyncio.shield(asking)
                    except asyncio.CancelledError:
                        # It is at work before it is known, and then nobody waits for it.
                        asking.add_done_callback(_lost)
                        raise
                    _reply_with(asked, caller, number, op)
                    return
                case _:
                    raise LeptonError(f"the engine knows no request {op!r}")
            caller.reply(number, {"result": result})
        except Exception as error:
            caller.reply(number, _fault(error))

    async def _made(self) -> Engine:
        async with self._starting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(_make, self._settings)
        return self._engine


def _ask(engine: Engine, caller: Caller, request: Message, *, here: bool = False) -> Future[Any]:
    """Have a model work; it is loaded first where it is not in memory."""
    model = request["model"]
    match request["op"]:
        case "predict":
            rows = [Row.from_json(row) for row in request["rows"]]
            return engine.submit(model, rows, here=here)
        case "embed":
            return engine.embed(model, request["texts"])
    number, prompt = request["id"], request["prompt"]
    if not isinstance(prompt, str):
        prompt = [Said.of(each) for each in prompt]

    def hear(piece: Piece) -> None:
        caller.tell(number, piece)
        if caller.unread > UNREAD_SECONDS:
            what = f"nobody has read the answer for {UNREAD_SECONDS:g} s"
            work = caller.reply(number, _fault(LeptonError(what, hint="Ask again.")))
            if isinstance(work, Future):
                work.cancel()

    return engine.stream(model, prompt, Sampling.of(request["sampling"]), hear)


def _reply_with(asked: Future[Any], caller: Caller, number: int, op: str) -> None:
    """Reply as soon as it is done, on the thread that has done it."""

    def done(asked: Future[Any]) -> None:
        if not asked.cancelled():
            caller.reply(number, _outcome(asked, op))

    caller.works(number, asked)
    asked.add_done_callback(done)


def _outcome(asked: Future[Any], op: str) -> Message:
    try:
        found = asked.result()
        match op:
            case "predict":
                return {"result": [answer.to_json() for answer in found]}
            case "embed":
                return {"result": [_vector(each) for each in found]}
        return {"result": found.to_json()}
    except Exception as error:
        return _fault(error)


def _fault(error: Exception) -> Message:
    if isinstance(error, LeptonError):
        return {"error": error.to_json()}
    traceback.print_exception(error)
    return {"error": LeptonError(f"the engine failed: {error!r}").to_json()}


def _lost(asking: asyncio.Future[Future[Any]]) -> None:
    if not asking.cancelled() and asking.exception() is None:
        asking.result().cancel()


def _make(settings: Mapping[str, Any]) -> Engine:
    # Here, as torch takes seconds to load: who comes meanwhile is met already.
    from core.inference.engine import Engine

    return Engine(
        Workspace(Path(settings["home"])),
        settings["device"],
        runtime=settings["runtime"],
        cache_bytes=settings["cache_bytes"],
        threads=settings["threads"],
        frozen=True,
    )


def _vector(found: Embedded | LeptonError) -> Any:
    return {"error": found.to_json()} if isinstance(found, LeptonError) else found


def _loaded(engine: Engine, ref: str) -> dict[str, Any]:
    with engine.use(ref) as model:
        return {"path": str(model.folder.path), "bytes": model.bytes}


def _augmented(request: Message) -> list[Any]:
    from core.augmentation.examples import examples
    from core.augmentation.written import read

    rows = [(row, unpacked(cell)) for row, cell in request["rows"]]
    words, kind = read(request["words"]), request["kind"]
    epochs, seed, objects = (request[name] for name in ("epochs", "seed", "objects"))
    made = examples(words, kind, rows, epochs, seed, objects=objects)
    return [packed(each.to_json()) for each in made]


def main() -> None:
    """Serve on the socket of the descriptor `argv[1]`; `argv[2]` holds the settings as JSON."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    step_back(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(listening, json.loads(sys.argv[2])))


async def _serve(listening: socket.socket, settings: Mapping[str, Any]) -> None:
    await Server(settings).serve(listening)
    # At once: a thread in the midst of a model would keep it, and nobody waits for its answer.
    os._exit(0)


if __name__ == "__main__":
    main()
