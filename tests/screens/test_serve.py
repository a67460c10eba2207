"""The Serve screen: real services that it starts, asks and ends, and how it shows what they say."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select

from core.data.lake.lake import Lake
from core.inference.door import listen
from core.models.registry import Models
from core.serving.keys import Keys
from core.serving.running import Running, Services
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.serve import ServeScreen
from tests.inference.conftest import digits, flowers, learn, png, publish
from tests.screens.golden import golden, screen_text
from tests.screens.test_data_out import unframed
from tests.screens.walk import START, make_model, until

SIZES = [(80, 24), (120, 40)]
NOBODY = 1 << 22
"""A process id that is beyond those that the system gives."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.open(tmp_path_factory.mktemp("home"))
    lake = Lake(made)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    for name in ("flowers", "digits"):
        publish(made, learn(made, name), name, dataset=name)
    return made


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Only the services of this test are listed, and none outlives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for path in (tmp_path / "state").glob("lepton/services/*/*.json"):
        os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


@contextmanager
def telling(
    workspace: Workspace, folder: Path, said: dict[str, Any] | None, **facts: Any
) -> Iterator[None]:
    """A service that is only what the screen knows of one: a held file, and a socket that tells."""
    path = folder / f"{facts['id']}.sock"
    told: dict[str, Any] = {
        "home": str(workspace.home),
        "pid": NOBODY,
        "models": ("penguins_mlp",),
        "keys": False,
        "certificate": None,
        "started": START,
        "log": None,
        **facts,
    }
    with listen(path) as listening, ExitStack() as stack:

        def tell() -> None:
            while True:
                try:
                    there, _ = listening.accept()
                except OSError:
                    return
                with there:
                    there.sendall(b"" if said is None else json.dumps(said).encode())

        threading.Thread(target=tell, daemon=True).start()
        stack.enter_context(Services(workspace).entered(Running(socket=str(path), **told)))
        yield


SAID: dict[str, Any] = {
    "ready": True,
    "stopping": False,
    "failure": None,
    "in_flight": 3,
    "waiting": 2,
    "requests": 12_345,
    "refused": 17,
    "failed": 2,
    "rate": 41.3,
    "p50_ms": 3.25,
    "p99_ms": 21.5,
    "per_second": [0] * 30 + list(range(30)),
    "models": [
        {
            "name": "penguins_mlp",
            "version": 2,
            "ref": "penguins_mlp@2",
            "task": "tabular-classification",
            "requests": 12_328,
            "refused": 0,
            "failed": 2,
            "rate": 41.2,
            "p50_ms": 3.25,
            "p99_ms": 21.5,
        },
        {"name": "tweets", "version": None, "ref": "/x", "task": "text-classification"},
    ],
    "latest": [
        {
            "id": "[b]7[/b]",
            "method": "POST",
            "route": "predict",
            "model": "penguins_mlp",
            "version": "2",
            "status": 200,
            "ms": 3.19,
            "rows": 1,
            "bytes": 51,
            "client": "127.0.0.1",
            "time": "2020-01-15T12:00:02.000+00:00",
        },
        {
            "id": "d7dae4469a904a99a170b1649c64ba3f",
            "method": "GET",
            "route": "none",
            "status": 404,
            "ms": 0.68,
            "bytes": 0,
            "client": "127.0.0.1",
            "error": "there is nothing here",
            "time": "2020-01-15T12:00:01.000+00:00",
        },
    ],
}


@pytest.mark.parametrize("size", SIZES)
async def test_golden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    workspace = Workspace.open(tmp_path / "home")
    make_model(workspace)
    first = {"id": "one", "address": "http://127.0.0.1:8000", "started": START}
    second = {"id": "two", "address": "http://127.0.0.1:8001", "started": START + 1}
    with (
        telling(workspace, tmp_path, SAID, **first),
        telling(workspace, tmp_path, None, **second),
    ):
        async with LeptonApp(workspace).run_test(size=size) as pilot:
            await pilot.press("7")
            await until(pilot, "12,345")
            await golden(pilot, "serve", size)
            await pilot.press("tab", "down", "enter")
            await until(pilot, "there is nothing here")
            await pilot.press("escape", "shift+tab", "down")
            await until(pilot, "It does not say how it does")


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_service_it_says_how_to_start_one(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    workspace = Workspace.open(tmp_path / "home")
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("7")
        await until(pilot, "there is nothing to serve before")
        make_model(workspace)
        await until(pilot, "Press n to start one")
        await golden(pilot, "serve-empty", size)


async def started(pilot: Pilot[None], models: str) -> None:
    """Start a service for models from the form, as a person would."""
    await pilot.press("7")
    await until(pilot, "Press n to start one")
    await pilot.press("n")
    await until(pilot, "Start a service")
    pilot.app.screen.query_one("#models", Input).value = models
    pilot.app.screen.query_one("#port", Input).value = ""
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, ServeScreen))
    await until(pilot, "● ready")


async def test_a_service_is_started_asked_and_stopped(models: Workspace) -> None:
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await started(pilot, "flowers digits")
        (running,) = Services(models).list()
        await pilot.press("t")
        await until(pilot, "petal length")
        assert "A curl line stands here" not in screen_text(pilot.app)
        await pilot.press(*"long", "ctrl+s")
        await until(pilot, '✗ "long" is no number')
        await pilot.press("ctrl+n")
        await until(pilot, '{"petal length": ')
        await pilot.press("ctrl+s")
        shown = unframed(await until(pilot, '"predictions"'))
        assert f"curl {running.address}/v1/models/flowers:predict" in shown
        assert "200 " in shown
        await pilot.press("ctrl+y")
        await until(pilot, lambda: pilot.app.clipboard.startswith("curl http"))
        await pilot.press("escape")
        await until(pilot, lambda: "flowers@1 " in screen_text(pilot.app).split("Latest")[1])
        await pilot.press("x")
        await until(pilot, f"Stop the service at {running.address}?")
        await pilot.press("n")
        await pilot.press("x", "y")
        await until(pilot, "Press n to start one")
    assert Services(models).list() == []


@pytest.mark.slow
async def test_a_model_that_was_removed_is_told_and_not_asked(models: Workspace) -> None:
    publish(models, learn(models, "flowers"), "fading", dataset="flowers")
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await started(pilot, "fading")
        Models(models).remove("fading")
        await pilot.press("t")
        await until(pilot, "no model")
        assert isinstance(pilot.app.screen, ServeScreen)


@pytest.mark.slow
async def test_it_outlives_the_app_and_reads_pictures(models: Workspace, tmp_path: Path) -> None:
    picture = tmp_path / "seen.png"
    picture.write_bytes(png(7))
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await started(pilot, "flowers digits")
        await pilot.press("t")
        await until(pilot, "petal length")
        pilot.app.screen.query_one("#model", Select).value = "digits"
        await until(pilot, "the path of a picture")
        await pilot.press(*str(picture), "ctrl+s")
        shown = unframed(await until(pilot, '"predictions"'))
        assert "image/png' --data-binary" in shown
    (running,) = Services(models).list()
    assert httpx2.get(f"{running.address}/readyz").status_code == 200


async def test_a_key_is_asked_for_where_one_is_needed(models: Workspace) -> None:
    token, _ = Keys(models).add("mine")
    async with LeptonApp(models).run_test(size=(100, 34)) as pilot:
        await pilot.press("7")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "Start a service")
        form = pilot.app.screen
        form.query_one("#models", Input).value = "flowers"
        form.query_one("#port", Input).value = ""
        assert "listens for this machine alone" in unframed(screen_text(pilot.app))
        form.query_one("#address", Input).value = "0.0.0.0"
        await until(pilot, "Others can ask it")
        await pilot.press("ctrl+y")
        await until(pilot, "lepton serve flowers --detach --host 0.0.0.0 --port 0")
        await pilot.press("escape")
        form.query_one("#address", Input).value = ""
        form.query_one("#keys", Select).value = "key"
        await pilot.press("ctrl+y")
        await until(pilot, "lepton serve flowers --detach --port 0 --require-key")
        assert "--runtime" not in screen_text(pilot.app)
        await pilot.press("escape", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ServeScreen))
        await until(pilot, "needs a key")
        await pilot.press("t")
        await until(pilot, "petal length")
        await pilot.press("ctrl+s")
        await until(pilot, "a key is needed")
        pilot.app.screen.query_one("#key", Input).value = token
        await pilot.press("ctrl+s")
        shown = await until(pilot, '"predictions"')
        assert "$LEPTON_KEY" in shown
        assert token not in shown
    Keys(models).remove("mine")


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("models", "flours", "flowers"),
        ("models", " ", "Name a model"),
        ("port", "x", '"x" is no port'),
        ("port", "70000", '"70000" is no port'),
        ("address", "0.0.0.0", "there is no key yet"),
    ],
)
async def test_a_wrong_wish_is_told_and_starts_nothing(
    models: Workspace, field: str, typed: str, told: str
) -> None:
    async with LeptonApp(models).run_test(size=(100, 30)) as pilot:
        await pilot.press("7")
        await until(pilot, "Press n to start one")
        await pilot.press("n")
        await until(pilot, "Start a service")
        pilot.app.screen.query_one(f"#{field}", Input).value = typed
        await pilot.press("ctrl+s")
        shown = await until(pilot, "✗ ")
        assert told in unframed(shown)
    assert Services(models).list() == []
