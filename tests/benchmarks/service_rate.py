"""The service against a hand-written FastAPI endpoint and LitServe: a small CNN, loopback, a
bounded load.

Ours and LitServe's take a picture as it is; the endpoint, as the tutorials have it, a JSON list of
its pixels. Of LitServe's two ways, with batches and without, the quicker one counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from urllib.request import urlopen

import psutil
import torch

from core.data.lake.lake import Lake
from core.inference.examples import as_tensors
from core.inference.forward import solved
from core.models.folder import load_module
from core.models.registry import Models
from core.workspace import Workspace
from tests.benchmarks.engine_rate import CPU, pictures
from tests.benchmarks.measure import Result, seconds
from tests.inference.conftest import learn, png, publish

CLIENTS = 32
REQUESTS = 2560
LONE = 400
ROUNDS = 3
MODEL = "digits"
PORT = "0"
BATCHES = (1, 32)
"""What LitServe is let put together."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Load:
    """Requests a second, seconds of processor time a request, and the latencies in seconds,
    sorted."""

    rate: float
    processor: float
    latencies: list[float]

    def at(self, percent: int) -> float:
        return quantiles(self.latencies, n=100)[percent - 1]


@dataclass(frozen=True)
class Side:
    """One service that is asked, and what was measured of it."""

    name: str
    process: psutil.Process
    port: int
    request: bytes
    loads: list[Load] = field(default_factory=list)

    def load(self) -> None:
        """Ask it, while the others sleep: LitServe's workers look for work all the time."""
        with self.awake():
            before = self._processor()
            rate, latencies = asyncio.run(_load(self.port, self.request))
            spent = (self._processor() - before) / len(latencies)
        self.loads.append(Load(rate, spent, latencies))

    @contextmanager
    def awake(self) -> Iterator[None]:
        for each in self._all():
            each.resume()
        yield
        for each in self._all():
            each.suspend()

    def wall(self) -> float:
        """Milliseconds a request."""
        return 1e3 * median(1 / load.rate for load in self.loads)

    def told(self) -> str:
        middle, tail = (1e3 * median(load.at(at) for load in self.loads) for at in (50, 99))
        processor = 1e3 * median(load.processor for load in self.loads)
        return (
            f"{self.name}: {self.wall():.2f} ms a request, {processor:.2f} ms of processor time;"
            f" p50 {middle:.1f} ms, p99 {tail:.1f} ms"
        )

    def _processor(self) -> float:
        """Seconds that the process and those it has started have worked."""
        times = [each.cpu_times() for each in self._all()]
        return sum(each.user + each.system for each in times)

    def _all(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        workspace = Workspace.open(home)
        table = pictures()
        Lake(workspace).commit(MODEL, table, op="import", target="label", media={"image": "image"})
        publish(workspace, learn(workspace, MODEL), MODEL)
        picture = png(0, 28)
        ours = stack.enter_context(_served(home, picture))
        hand = stack.enter_context(_by_hand(home))
        lit = []
        if find_spec("litserve") is None:
            print("  LitServe is not installed and not compared: make bench", file=sys.stderr)
        else:
            lit = [stack.enter_context(_by_litserve(home, picture, at)) for at in BATCHES]
        sides = [ours, hand, *lit]
        for _ in range(ROUNDS + 1):
            for side in sides:
                side.load()
        for side in sides:
            del side.loads[0]
        with ours.awake():
            _, alone = asyncio.run(_load(ours.port, ours.request, clients=1, requests=LONE))
        bare = _bare(workspace, picture)
    for side in sides:
        print(f"  {CLIENTS} clients, {side.told()}", file=sys.stderr)
    tail = median(load.at(99) / load.at(50) for load in ours.loads)
    asked = f"service, {CLIENTS} clients"
    found = [Result(f"{asked} / FastAPI by hand", ours.wall(), hand.wall(), "ms", 1 / 1.3)]
    if lit:
        quickest = min(side.wall() for side in lit)
        found.append(Result(f"{asked} / LitServe", ours.wall(), quickest, "ms", 1 / 1.4))
    return [
        *found,
        Result("service: p99 / p50", tail, None, "x", 3.0),
        Result(
            "service, a lone client: over the bare call",
            1e3 * (median(alone) - bare),
            None,
            "ms",
            1.0,
        ),
    ]


def _request(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _load(
    port: int, request: bytes, clients: int = CLIENTS, requests: int = REQUESTS
) -> tuple[float, list[float]]:
    """Requests a second, and the sorted latencies in seconds."""
    latencies: list[float] = []

    async def ask(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
            if b" 200 " not in head[:20]:
                raise RuntimeError(f"{head!r} {answer!r}")
        writer.close()

    await ask(20)
    latencies.clear()
    began = time.perf_counter()
    await asyncio.gather(*(ask(requests // clients) for _ in range(clients)))
    return len(latencies) / (time.perf_counter() - began), sorted(latencies)


@contextmanager
def _served(home: str, picture: bytes) -> Iterator[Side]:
    command = [sys.executable, "-m", "lepton_tui", "serve", MODEL, "--port", PORT, "--json"]
    with _process(command, home) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])
        request = _request(f"/v1/models/{MODEL}:predict", "image/png", picture)
        yield Side("ours", psutil.Process(process.pid), port, request)


@contextmanager
def _by_hand(home: str) -> Iterator[Side]:
    command = [sys.executable, "-m", "tests.benchmarks.service_by_hand", MODEL]
    pixels = json.dumps({"pixels": [round(at / 784, 4) for at in range(784)]}).encode()
    with _process(command, home) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        request = _request("/predict", "application/json", pixels)
        yield Side("FastAPI by hand", psutil.Process(process.pid), port, request)


@contextmanager
def _by_litserve(home: str, picture: bytes, batch: int) -> Iterator[Side]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    module = "tests.benchmarks.service_by_litserve"
    command = [sys.executable, "-m", module, MODEL, str(port), str(batch)]
    with _process(command, home) as process:
        _wait(process, port)
        request = _request("/predict", "application/octet-stream", picture)
        yield Side(f"LitServe, batches of {batch}", psutil.Process(process.pid), port, request)


def _wait(process: subprocess.Popen[str], port: int) -> None:
    """Until LitServe's own /health says that its workers are there."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("LitServe does not start")


@contextmanager
def _process(command: list[str], home: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "LEPTON_HOME": home, "LEPTON_ENGINE_STAYS": "0"},
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End it and what it has started: LitServe's workers do not always go with it."""
    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.send_signal(signal.SIGCONT)
    for each in started:
        with suppress(psutil.NoSuchProcess):
            each.resume()
    process.wait()
    for each in psutil.wait_procs(started, timeout=5)[1]:
        each.kill()


def _bare(workspace: Workspace, picture: bytes) -> float:
    """Seconds of decoding and of the model, without anything else."""
    folder = Models(workspace).get(MODEL)
    task, module = learn(workspace, MODEL), load_module(folder)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.set_num_threads(1)

    def call() -> None:
        examples = as_tensors(task.encode([{"image": picture}], target=False))
        task.answers(solved(module, task, examples, device=CPU, batch_size=1))

    return median(seconds(call) for _ in range(LONE))
