"""Real services: a process each, on a port of its own, with the engine's process behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import numpy as np
import psutil
import pyarrow as pa
import pytest

from core.data.cleaning.steps import audio
from core.data.lake.lake import Lake
from core.serving.settings import Limits
from core.tasks import facts, guess, task
from core.workspace import Workspace
from tests.generation.conftest import publish_talkers
from tests.inference.conftest import digits, flowers, learn, publish, reviews

PATIENCE = 60.0
LONG = 200_000
FLOWER = {"petal length": 5.5, "colour": "red"}
TONES = {tone: f"the tone of {tone}" for tone in (200, 300, 500)}
"""Hertz of the sounds that the listener knows, and what is said in each."""
_RUN = """
import json, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from core.inference.process import EngineProcess
from core.serving.endpoints import Endpoints
from core.serving.keys import Keys
from core.serving.service import Service
from core.serving.settings import Limits, Settings
from core.workspace import Workspace
asked = json.loads(sys.argv[1])
workspace = Workspace(Path(asked["home"]))
settings = Settings(port=0, keys=asked["keys"], limits=Limits(**asked["limits"]))
endpoints = Endpoints(workspace, settings.limits)
for ref in asked["models"]:
    endpoints.serve(ref)
engine = EngineProcess(workspace, "cpu")
Service(settings, endpoints, Keys(workspace), engine).run(
    lambda address: print(json.dumps({"address": address}), flush=True)
)
"""


@dataclass
class Running:
    """A service that is ready, with a client for it and its log."""

    process: subprocess.Popen[str]
    address: str
    client: httpx2.Client
    _lines: list[str] = field(default_factory=list)
    _heard: threading.Condition = field(default_factory=threading.Condition)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def engine(self) -> psutil.Process:
        """The engine's process, where it is the service's own."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def predict(self, model: str, *instances: Any, **more: Any) -> httpx2.Response:
        body = {"instances": list(instances)}
        return self.client.post(f"/v1/models/{model}:predict", json=body, **more)

    def log(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line of the log that is wanted; waits for it."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(map(wanted, self._said())), PATIENCE)
            return next(filter(wanted, self._said()))

    def metric(self, name: str, **labels: str) -> float:
        """One value of /metrics; 0 where it is not there yet."""
        for line in self.client.get("/metrics").text.splitlines():
            named, _, value = line.rpartition(" ")
            if named.partition("{")[0] == name and all(
                f'{label}="{text}"' in named for label, text in labels.items()
            ):
                return float(value)
        return 0.0

    def listen(self) -> None:
        assert self.process.stderr is not None
        # It is closed when the service is over.
        with suppress(ValueError):
            for line in self.process.stderr:
                with self._heard:
                    self._lines.append(line)
                    self._heard.notify_all()

    def text(self) -> str:
        return "".join(self._lines)

    def _said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._lines if line.startswith("{")]


Start = Callable[..., Running]


def _start(
    stack: ExitStack, words: list[str], home: Path, sockets: Path | None, verify: Any = True
) -> Running:
    """Start it and wait for its address. Without a folder of `sockets` that others have too, the
    engine is its own, and ends with it."""
    alone = sockets is None
    where = sockets or stack.enter_context(TemporaryDirectory())
    process = stack.enter_context(
        subprocess.Popen(
            words,
            env={
                **os.environ,
                "LEPTON_HOME": str(home),
                "OMP_NUM_THREADS": "1",
                "XDG_RUNTIME_DIR": str(where),
                "LEPTON_ENGINE_STAYS": "0" if alone else "20",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    first = process.stdout.readline()
    if not first:
        raise AssertionError(process.communicate()[1])
    address = json.loads(first)["address"]
    client = httpx2.Client(base_url=address, timeout=PATIENCE, verify=verify)
    running = Running(process, address, stack.enter_context(client))
    threading.Thread(target=running.listen, daemon=True).start()
    return running


def sales() -> pa.Table:
    days = np.datetime64("2024-01-01") + np.arange(120)
    return pa.table({"day": days, "value": np.sin(np.arange(120) / 3).round(3) + 5})


def sound(tone: int = 200, seconds: float = 0.2, rate: int = 8000) -> bytes:
    """A WAV file."""
    wave = np.sin(np.arange(round(seconds * rate)) * tone * 2 * np.pi / rate)
    return audio.encode(0.3 * wave[:, None], rate)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a model of each kind of input and answer."""
    made = Workspace.open(tmp_path_factory.mktemp("served"))
    lake = Lake(made)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("reviews", reviews(), op="import", target="mood")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    lake.commit("sales", sales(), op="import", target="value")
    said = {"audio": [sound(tone) for tone in TONES], "transcript": [*TONES.values()]}
    lake.commit("tones", pa.table(said), op="import", media={"audio": "audio"})
    for dataset, name in [
        ("flowers", "flowers"),
        ("reviews", "moods"),
        ("digits", "digits"),
        ("tones", "listener"),
    ]:
        publish(made, learn(made, dataset), name)
    # One whose answers are short, and one that goes on for as long as it is let.
    publish_talkers(made, LONG)
    for name, target, kind in [
        ("flowers", "petal length", "tabular-regression"),
        ("sales", "value", "time-series-forecasting"),
    ]:
        with Lake(made).open(name) as view:
            fit = guess(facts(view), target=target, task=kind)
            learnt = task(fit.task).learn(fit, view, options={})
        publish(made, learnt, {"flowers": "lengths", "sales": "sales"}[name])
    return made


@pytest.fixture(scope="session")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the services that share an engine find it."""
    return tmp_path_factory.mktemp("sockets")


@pytest.fixture(scope="module")
def lepton_serve(home: Workspace, sockets: Path) -> Iterator[Start]:
    """`lepton serve` with these words, as a person would start it."""
    with ExitStack() as stack:

        def start(
            *words: str, where: Path | None = None, verify: Any = True, alone: bool = False
        ) -> Running:
            command = [sys.executable, "-P", "-m", "lepton_tui", "serve", *words]
            command += ["--port", "0", "--json", "--device", "cpu"]
            return _start(stack, command, where or home.home, None if alone else sockets, verify)

        yield start


@pytest.fixture(scope="module")
def bounded(home: Workspace, sockets: Path) -> Iterator[Start]:
    """A service with bounds of its own."""
    with ExitStack() as stack:

        def start(*models: str, keys: bool = False, alone: bool = False, **limits: Any) -> Running:
            asked = {"home": str(home.home), "models": models, "keys": keys}
            asked["limits"] = asdict(Limits(**limits))
            words = [sys.executable, "-P", "-c", _RUN, json.dumps(asked)]
            return _start(stack, words, home.home, None if alone else sockets)

        yield start


@pytest.fixture(scope="module")
def service(lepton_serve: Start) -> Running:
    return lepton_serve("flowers", "moods", "digits", "lengths", "sales")
