"""The service against a hand-written FastAPI endpoint: a small CNN, loopback, a bounded load.

Ours takes a picture as it is; theirs, as the tutorials have it, a JSON list of its pixels.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

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


@dataclass(frozen=True)
class Load:
    """Requests a second, and the latencies in seconds, sorted."""

    rate: float
    latencies: list[float]

    def at(self, percent: int) -> float:
        return quantiles(self.latencies, n=100)[percent - 1]


def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.open(home)
        table = pictures()
        Lake(workspace).commit(MODEL, table, op="import", target="label", media={"image": "image"})
        publish(workspace, learn(workspace, MODEL), MODEL)
        picture = png(0, 28)
        ours = _request(f"/v1/models/{MODEL}:predict", "image/png", picture)
        pixels = json.dumps({"pixels": [round(at / 784, 4) for at in range(784)]}).encode()
        theirs = _request("/predict", "application/json", pixels)
        with _served(home) as port, _by_hand(home) as other:
            loads = [
                (asyncio.run(_load(port, ours)), asyncio.run(_load(other, theirs)))
                for _ in range(ROUNDS + 1)
            ][1:]
            alone = asyncio.run(_load(port, ours, clients=1, requests=LONE))
        bare = _bare(workspace, picture)
    rate, hand = (median(1 / side.rate for side in sides) for sides in zip(*loads, strict=True))
    first = loads[0][0]
    tail = median(each.at(99) / each.at(50) for each, _ in loads)
    print(f"  {CLIENTS} clients: p50 {1e3 * first.at(50):.1f} ms", file=sys.stderr)
    return [
        Result(
            f"service, {CLIENTS} clients / FastAPI by hand", 1e3 * rate, 1e3 * hand, "ms", 1 / 1.3
        ),
        Result("service: p99 / p50", tail, None, "x", 3.0),
        Result(
            "service, a lone client: over the bare call",
            1e3 * (alone.at(50) - bare),
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
) -> Load:
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
    return Load(len(latencies) / (time.perf_counter() - began), sorted(latencies))


@contextmanager
def _served(home: str) -> Iterator[int]:
    command = [sys.executable, "-m", "lepton_tui", "serve", MODEL, "--port", PORT, "--json"]
    with _process(command, home) as process:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])


@contextmanager
def _by_hand(home: str) -> Iterator[int]:
    with _process(
        [sys.executable, "-m", "tests.benchmarks.service_by_hand", MODEL], home
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


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
        process.terminate()
        process.wait()


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
