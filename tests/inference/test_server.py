"""What the engine's event loop answers itself, and what it leaves to the model's thread."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.inference import lane
from core.inference.cache import CACHE_BYTES
from core.inference.engine import Engine
from core.inference.loaded import Given, Loaded
from core.inference.messages import Answer, Row
from core.inference.server import Server
from core.inference.wire import CHUNK, Incoming, frame
from core.models.registry import Models
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import png, publish

PATIENCE = 60.0
MOST_TRIES = 50
FLOWER = Row("x", {"petal length": 1.5, "colour": "red"})
PICTURE = Row("p", {"image": png(7)})


class Client:
    """One who is connected, and says himself what travels."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._incoming = Incoming()
        self._ids = 0
        assert "hello" in self.hear()

    def send(self, model: str, *rows: Row) -> None:
        self._ids += 1
        asked = {"id": self._ids, "op": "predict", "model": model}
        self._socket.sendall(frame({**asked, "rows": [row.to_json() for row in rows]}))

    def hear(self) -> dict[str, Any]:
        while True:
            data = self._socket.recv(CHUNK)
            assert data, "the server has hung up"
            for message in self._incoming.feed(data):
                return message

    def ask(self, model: str, *rows: Row) -> dict[str, Any]:
        self.send(model, *rows)
        return self.hear()

    def leave(self) -> None:
        self._socket.close()


class Running:
    """A server on a loop of its own; `where` has the thread of each batch since it was cleared."""

    def __init__(self, models: Workspace) -> None:
        settings = {"home": str(models.home), "device": "cpu", "runtime": "torch"}
        self.server = Server({**settings, "cache_bytes": CACHE_BYTES, "threads": None})
        self.loop = asyncio.new_event_loop()
        self.where: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._clients: list[Client] = []

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._meet())

    async def _meet(self) -> None:
        self._over = asyncio.Event()
        meeting = self.loop.create_task(self.server._meet(self._listening))
        await self._over.wait()
        meeting.cancel()

    def client(self) -> Client:
        self._clients.append(Client(self._listening.getsockname()[1]))
        return self._clients[-1]

    def on_loop(self) -> list[bool]:
        return [thread is self._thread for thread in self.where]

    def held(self) -> Callable[[], None]:
        """Hold the loop, until what is returned is called."""
        held, go = threading.Event(), threading.Event()
        self.loop.call_soon_threadsafe(lambda: (held.set(), go.wait(PATIENCE)))
        assert held.wait(PATIENCE)
        return go.set

    def close(self) -> None:
        self.loop.call_soon_threadsafe(lambda: self._over.set())
        self._thread.join(PATIENCE)
        self._listening.close()
        for client in self._clients:
            client.leave()
        self.loop.close()


@pytest.fixture
def running(models: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    # However busy the machine is, these models are quick.
    monkeypatch.setattr(lane, "HERE_SECONDS", 5.0)
    # Measured before, as calibrating would have the thread.
    engine = Engine(models, "cpu")
    for name, row in (("flowers", FLOWER), ("digits", PICTURE)):
        for _ in range(2):
            engine.predict(name, [row])
    made = Running(models)
    answer = Loaded.answer

    def noted(self: Loaded, rows: Sequence[Given]) -> list[Answer]:
        made.where.append(threading.current_thread())
        return answer(self, rows)

    monkeypatch.setattr(Loaded, "answer", noted)
    yield made
    made.close()


def warm(client: Client, running: Running, *rows: Row, model: str = "digits") -> None:
    """The model is in memory, and how quick it is is known."""
    while True not in running.on_loop():
        assert client.ask(model, *(rows or [PICTURE]))["result"]
        assert len(running.where) < MOST_TRIES
        # The thread replies a moment before its turn is over.
        with running.server._engine.use(model) as loaded, loaded.lane._turn:  # type: ignore[union-attr]
            pass
    running.where.clear()


def test_two_who_ask_at_once_are_left_to_the_models_thread(running: Running) -> None:
    one, other = running.client(), running.client()
    warm(one, running)
    go = running.held()
    one.send("digits", PICTURE)
    other.send("digits", PICTURE)
    go()
    assert one.hear()["result"]
    assert other.hear()["result"]
    assert running.on_loop()[0] is False, "the second could not join it"
    running.where.clear()
    # Who is connected and asks for nothing is in nobody's way.
    warm(other, running)


def test_a_file_is_never_opened_by_the_loop(running: Running, tmp_path: Path) -> None:
    client = running.client()
    warm(client, running)
    (tmp_path / "a.png").write_bytes(png(7))
    (answer,) = client.ask("digits", Row("f", {"image": tmp_path / "a.png"}))["result"]
    assert answer["output"]
    assert running.on_loop() == [False]


def test_what_is_long_is_left_to_the_models_thread(running: Running) -> None:
    client = running.client()
    warm(client, running)
    # More bytes than are read at once, with the picture in front of them.
    large = Row("large", {"image": png(7) + bytes(2 * CHUNK)})
    assert client.ask("digits", large)["result"][0]["output"]
    assert running.on_loop() == [False]


def test_who_writes_texts_is_left_to_the_models_thread(
    running: Running, image_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = running.client()
    warm(client, running)
    # As long as the last text was, the next one need not be.
    monkeypatch.setattr(type(image_task), "gives", "text")
    assert client.ask("digits", PICTURE)["result"]
    assert running.on_loop() == [False]


def test_a_slow_row_holds_up_the_loop_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = running.client()
    warm(client, running)
    monkeypatch.setattr(lane, "HERE_SECONDS", 0.0)
    monkeypatch.setattr(lane, "REST", 1e9)
    with running.server._engine.use("digits") as model:  # type: ignore[union-attr]
        model.lane._last_seconds = 0.0  # As after a quick one.
    for _ in range(3):
        assert client.ask("digits", PICTURE)["result"]
    assert running.on_loop() == [True, False, False]
    monkeypatch.setattr(lane, "HERE_SECONDS", 5.0)
    assert client.ask("digits", PICTURE)["result"]
    assert running.on_loop()[-1] is False, "quick ones in between change nothing"


def test_who_leaves_and_a_model_that_goes_hurt_nobody(
    running: Running, models: Workspace, table_task: Task
) -> None:
    publish(models, table_task, "going")
    engine = Engine(models, "cpu")
    for _ in range(2):
        engine.predict("going", [FLOWER])
    client, gone = running.client(), running.client()
    warm(client, running, FLOWER, model="going")
    go = running.held()
    gone.send("going", FLOWER)
    gone.leave()
    go()
    assert client.ask("going", FLOWER)["result"]
    shutil.rmtree(Models(models).get("going").path.parent)
    assert 'no model "going"' in client.ask("going", FLOWER)["error"]["what"]
    running.where.clear()
    warm(client, running, FLOWER, model="flowers")
    assert not running.server.at_work
