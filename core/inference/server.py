"""The engine's process: it answers all who come to its socket, and leaves when nobody does.

A request is `{"id", "op", …}` and its reply carries the same id. `load` {model}, `predict` {model,
rows}, `embed` {model, texts}, `generate` {model, prompt, sampling} and `augment` {words, kind,
rows, epochs, seed} are done side by side, as they come; `cancel` {request} takes one back, and so
does going away. A reply is `{"id", "result"}` or `{"id", "error"}` as the error's `to_json` has it;
before that of `generate` come the parts of its answer, each `{"id", "part"}`. First of all comes
`{"hello": process id}`; and when the engine leaves, `{"bye": true}`, after which it takes no
request.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import traceback
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LeptonError
from core.generation.chat import Message as Said
from core.generation.sampling import Sampling
from core.inference.door import Door
from core.inference.hearing import pieces_of
from core.inference.messages import Embedded, Row, packed, unpacked
from core.inference.wire import Message, frame, messages_of
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
BYE_SECONDS = 1.0
IDLE_SECONDS = 1800.0
"""Seconds that it stays when somebody is connected and asks for nothing."""


class Server:
    """Answers requests from all connections with one engine, which is made at the first of them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._starting = asyncio.Lock()
        self._writers: set[StreamWriter] = set()
        self._at_work = 0
        self._last = 0.0
        self._changed = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Until nobody has asked for anything for a while."""
        self._last = asyncio.get_running_loop().time() + COMING_SECONDS
        server = await asyncio.start_unix_server(self._meet, sock=listening, limit=1 << 20)
        door = Door(self._settings)
        while True:
            await self._until_idle()
            # Somebody may be coming just now.
            if door.close():
                break
            self._touch()
        server.close()
        for writer in self._writers:
            with suppress(TimeoutError):
                await _write(writer, {"bye": True}, BYE_SECONDS)

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            stay = IDLE_SECONDS if self._writers else float(os.environ.get(STAY, STAY_SECONDS))
            left = None if self._at_work else self._last + stay - loop.time()
            if left is not None and left <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _touch(self) -> None:
        """Something has happened: the time until it leaves begins anew."""
        self._last = asyncio.get_running_loop().time()
        self._changed.set()

    async def _meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer one connection until it is gone; what it waited for is taken back."""
        self._writers.add(writer)
        self._touch()
        tasks: dict[int, Task[None]] = {}
        try:
            await _write(writer, {"hello": os.getpid()})
            async for request in messages_of(reader):
                if request["op"] == "cancel":
                    if (task := tasks.get(request["request"])) is not None:
                        task.cancel()
                    continue
                number = request["id"]
                task = tasks[number] = asyncio.create_task(self._reply(request, writer))
                task.add_done_callback(partial(_forget, tasks, number))
        finally:
            for task in tasks.values():
                task.cancel()
            self._writers.discard(writer)
            self._touch()
            writer.close()

    async def _reply(self, request: Message, writer: StreamWriter) -> None:
        self._at_work += 1
        try:
            reply = {"id": request["id"], **await self._outcome(request, writer)}
        finally:
            self._at_work -= 1
            self._touch()
        # One that is not read keeps the engine from nothing.
        await _write(writer, reply)

    async def _outcome(self, request: Message, writer: StreamWriter) -> Message:
        try:
            return {"result": await self._do(request, writer)}
        except LeptonError as error:
            return {"error": error.to_json()}
        except Exception as error:
            traceback.print_exc()
            return {"error": LeptonError(f"the engine failed: {error!r}").to_json()}

    async def _do(self, request: Message, writer: StreamWriter) -> Any:
        match request["op"]:
            case "ping":
                await self._made()
                return os.getpid()
            case "augment":
                return await asyncio.to_thread(_augmented, request)
            case "load":
                engine = await self._made()
                return await asyncio.to_thread(_loaded, engine, request["model"])
            case "predict":
                engine = await self._made()
                rows = [Row.from_json(row) for row in request["rows"]]
                if engine.holds(request["model"]):
                    answers = engine.submit(request["model"], rows)
                else:
                    answers = await asyncio.to_thread(engine.submit, request["model"], rows)
                return [answer.to_json() for answer in await asyncio.wrap_future(answers)]
            case "embed":
                engine = await self._made()
                asked = await asyncio.to_thread(engine.embed, request["model"], request["texts"])
                return [_vector(each) for each in await asyncio.wrap_future(asked)]
            case "generate":
                return await _told(await self._made(), request, writer)
        raise LeptonError(f"the engine knows no request {request['op']!r}")

    async def _made(self) -> Engine:
        async with self._starting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(_make, self._settings)
        return self._engine


def _forget(tasks: dict[int, Task[None]], number: int, _: Task[None]) -> None:
    tasks.pop(number, None)


def _make(settings: Mapping[str, Any]) -> Engine:
    # Here, as torch takes seconds to load: who comes meanwhile is met already.
    from core.inference.engine import Engine

    return Engine(
        Workspace(Path(settings["home"])),
        settings["device"],
        runtime=settings["runtime"],
        cache_bytes=settings["cache_bytes"],
        threads=settings["threads"],
    )


def _vector(found: Embedded | LeptonError) -> Any:
    return {"error": found.to_json()} if isinstance(found, LeptonError) else found


def _loaded(engine: Engine, ref: str) -> dict[str, Any]:
    with engine.use(ref) as model:
        return {"path": str(model.folder.path), "bytes": model.bytes}


async def _told(engine: Engine, request: Message, writer: StreamWriter) -> Message:
    """Write the parts of an answer as they come; how it ended."""
    prompt = request["prompt"]
    if not isinstance(prompt, str):
        prompt = [Said.of(each) for each in prompt]
    model, sampling = request["model"], Sampling.of(request["sampling"])
    asked = pieces_of(
        lambda hear: asyncio.to_thread(engine.stream, model, prompt, sampling, hear), Future.cancel
    )
    # Closed at once when this is cancelled: the model is to work for nobody who has left.
    async with aclosing(asked) as parts:
        async for part in parts:
            if part.ending is not None:
                return part.ending.to_json()
            try:
                await _write(writer, {"id": request["id"], "part": part.text}, UNREAD_SECONDS)
            except TimeoutError:
                raise LeptonError(
                    f"nobody has read the answer for {UNREAD_SECONDS:g} s", hint="Ask again."
                ) from None
    raise AssertionError("an answer has an end")


def _augmented(request: Message) -> list[Any]:
    from core.augmentation.examples import examples
    from core.augmentation.written import read

    rows = [(row, unpacked(cell)) for row, cell in request["rows"]]
    words, kind = read(request["words"]), request["kind"]
    made = examples(words, kind, rows, request["epochs"], request["seed"])
    return [packed(each.to_json()) for each in made]


async def _write(writer: StreamWriter, message: Message, patience: float | None = None) -> None:
    """Write it, and wait while too much lies there that is not read.

    Raises:
        TimeoutError: that was so for `patience` seconds.
    """
    with suppress(ConnectionError):
        writer.write(frame(message))
        async with asyncio.timeout(patience):
            await writer.drain()


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
