"""Answers that come piece by piece: many at once, taken back, in bounds, and over the socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import LeptonError, UsageError
from core.generation.chat import Message
from core.generation.pieces import Piece
from core.generation.sampling import Sampling
from core.inference import server
from core.inference.door import listen
from core.inference.engine import Engine
from core.inference.faults import Busy, EngineEnded
from core.inference.process import EngineProcess
from core.inference.streams import AT_WORK, Streams
from core.inference.wire import Incoming, frame
from core.workspace import Workspace
from tests.generation.conftest import made_module, made_task, publish_talkers

PATIENCE = 60.0
LONG = 20_000
GREEDY = Sampling(max_tokens=24, temperature=0)
ENDLESS = Sampling(max_tokens=LONG, temperature=0)


@pytest.fixture(scope="module")
def speaking(models: Workspace) -> Workspace:
    """The workspace with the language models `talker`, and `walker` that goes on for long."""
    publish_talkers(models, LONG)
    return models


@pytest.fixture(scope="module")
def engine(speaking: Workspace) -> Iterator[EngineProcess]:
    with EngineProcess(speaking, "cpu", threads=1) as process:
        yield process


def test_an_answer_comes_in_parts_with_its_speeds_at_the_end(speaking: Workspace) -> None:
    parts = list(Engine(speaking, "cpu").generate("talker", "Emma was", GREEDY))
    assert len(parts) > 5
    assert [part.ending for part in parts[:-1]] == [None] * (len(parts) - 1)
    ending = parts[-1].ending
    assert ending is not None
    assert (ending.reason, ending.new_tokens) == ("length", 24)
    assert ending.prompt_tokens > 1
    assert ending.prefill_rate > 0
    assert ending.decode_rate > 0


def test_over_the_socket_it_is_the_same(engine: EngineProcess, speaking: Workspace) -> None:
    talk = [Message("system", "Be kind."), Message("user", "Who is Emma?")]
    here = Engine(speaking, "cpu")
    for prompt in ("Emma was", talk):
        told = [each.text for each in engine.generate("talker", prompt, GREEDY, PATIENCE)]
        assert len(told) > 3
        assert "".join(told) == "".join(p.text for p in here.generate("talker", prompt, GREEDY))


def test_how_likely_each_token_was_comes_with_it(
    engine: EngineProcess, speaking: Workspace
) -> None:
    sampling = GREEDY.but(logprobs=2)
    told = list(engine.generate("talker", "Emma was", sampling, PATIENCE))
    here = list(Engine(speaking, "cpu").generate("talker", "Emma was", sampling))
    assert [part.tokens for part in told] == [part.tokens for part in here]
    tokens = [token for part in told for token in part.tokens]
    assert told[-1].ending is not None
    assert len(tokens) == told[-1].ending.new_tokens == 24
    assert b"".join(token.raw for token in tokens).decode() == "".join(p.text for p in told)
    assert all(len(token.likeliest) == 2 for token in tokens)
    plain = list(engine.generate("talker", "Emma was", GREEDY, PATIENCE))
    assert {tuple(part.tokens) for part in plain} == {()}


def test_many_answers_at_once_are_each_as_if_alone(
    engine: EngineProcess, speaking: Workspace
) -> None:
    prompts = [f"{word} was" for word in ("Emma", "She", "It", "The", "A", "No", "He", "We")] * 4
    assert len(prompts) > AT_WORK
    here = Engine(speaking, "cpu")
    asked = [engine.generate("talker", prompt, GREEDY, PATIENCE) for prompt in prompts]
    together = ["".join(part.text for part in answer) for answer in asked]
    alone = [here.generate("talker", prompt, GREEDY) for prompt in prompts]
    assert together == ["".join(part.text for part in answer) for answer in alone]


def test_who_stops_reading_ends_the_answer(speaking: Workspace) -> None:
    here = Engine(speaking, "cpu")
    answer = here.generate("walker", "Emma", ENDLESS)
    next(answer)
    with here.use("walker") as model:
        assert model.streams.waiting == 1
    answer.close()
    # The lane takes no further step for it: the next answer is alone there.
    list(here.generate("walker", "Emma", GREEDY))
    with here.use("walker") as model:
        assert model.streams.waiting == 0


async def test_an_answer_that_nobody_reads_ends_and_says_so(
    speaking: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.3)
    settings = {"home": str(speaking.home), "device": "cpu", "runtime": "torch", "threads": 1}
    here = server.Server({**settings, "cache_bytes": 1 << 30})
    path = tmp_path / "engine.sock"
    asked = {"op": "generate", "model": "walker", "sampling": ENDLESS.to_json()}
    serving = asyncio.create_task(here.serve(listen(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(frame({"id": 1, "prompt": "Emma", **asked}))
        async with asyncio.timeout(PATIENCE):
            # It is asked, it stands still, and it is at work no more.
            while not here.at_work:
                await asyncio.sleep(0.01)
            while here.at_work:
                await asyncio.sleep(0.01)
        client.sendall(frame({"id": 2, "op": "ping"}))

        def read() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            incoming = Incoming()
            while data := client.recv(1 << 16):
                found += incoming.feed(data)
                if found[-1].get("id") == 2:
                    break
            return found

        _, *parts, ended, pong = await asyncio.to_thread(read)
        assert here._engine is not None
        async with asyncio.timeout(PATIENCE):
            # The step that it was in ends first.
            with here._engine.use("walker") as model:
                while model.streams.waiting:
                    await asyncio.sleep(0.01)
    serving.cancel()
    assert all("part" in part for part in parts)
    assert 100 < len(parts) < LONG
    assert ended["error"]["what"] == "nobody has read the answer for 0.3 s"
    assert pong["result"], "the connection is as good as before"


def test_a_long_answer_holds_up_neither_rows_nor_other_answers(engine: EngineProcess) -> None:
    from core.inference.messages import Row

    answer = engine.generate("walker", "Emma", ENDLESS, PATIENCE)
    next(answer)
    row = Row("x", {"petal length": 1.5, "colour": "red"})
    assert engine.predict("flowers", [row], PATIENCE)[0].ok
    assert list(engine.generate("walker", "It was", GREEDY, PATIENCE))[-1].ending is not None
    assert engine.predict("walker", [Row("y", {"text": "It was"})], PATIENCE)[0].ok
    assert next(answer).ending is None
    answer.close()


def test_a_full_line_is_told_at_once() -> None:
    task = made_task(LONG)
    module = made_module("gpt", task)
    held, go_on = threading.Event(), threading.Event()

    def decoder() -> object:
        held.set()
        go_on.wait(PATIENCE)
        return module

    streams = Streams(decoder, bound=1)
    heard: list[Piece] = []
    running = streams.ask(task.going_on([1, 2], GREEDY), heard.append)
    held.wait(PATIENCE)
    waiting = [streams.ask(task.going_on([1, 2], GREEDY), heard.append)]
    with pytest.raises(Busy, match="1 answers wait already"):
        streams.ask(task.going_on([1, 2], GREEDY), heard.append)
    assert waiting[0].cancel()
    last = streams.ask(task.going_on([1, 2], GREEDY), heard.append)
    go_on.set()
    assert running.result(PATIENCE) is not None
    assert last.result(PATIENCE) is not None
    streams.close()


@pytest.mark.parametrize("architecture", ["gpt", "llama"])
def test_what_all_remember_together_is_bounded(architecture: str) -> None:
    task = made_task(LONG)
    module = made_module(architecture, task)
    prompts = [task.pairs.prompt(f"{word} was") for word in ("Emma", "She", "It", "The", "A")]
    sampling = Sampling(max_tokens=90, seed=3, repetition_penalty=1.2)

    def answered(room: float) -> tuple[list[str], list[int]]:
        seen: list[int] = []

        def decoder() -> object:
            seen.append(streams.bytes)
            return module

        streams = Streams(decoder, room=room)
        said: list[list[Piece]] = [[] for _ in prompts]
        asked = [
            streams.ask(task.going_on(prompt, sampling), pieces.append)
            for prompt, pieces in zip(prompts, said, strict=True)
        ]
        assert {each.result(PATIENCE).new_tokens for each in asked} == {90}
        assert streams.bytes == 0
        streams.close()
        return ["".join(piece.text for piece in pieces) for pieces in said], seen

    wanted, free = answered(float("inf"))
    room = max(free) // 2
    told, seen = answered(room)
    assert told == wanted, "one that was set aside says what it would have said"
    assert room / 2 < max(seen) <= room
    # One goes on alone, where not even that fits.
    told, seen = answered(1)
    assert told == wanted
    assert max(seen) <= max(free) / len(prompts)


def test_a_model_has_room_for_what_its_texts_remember(speaking: Workspace) -> None:
    here = Engine(speaking, "cpu")
    with here.use("walker") as model:
        alone = model.bytes
        answer = here.generate("walker", "Emma", ENDLESS)
        for _ in range(100):
            next(answer)
        assert model.bytes > alone
        answer.close()
        list(here.generate("walker", "Emma", GREEDY))
        assert model.bytes == alone


def test_what_cannot_be_asked_is_told(engine: EngineProcess) -> None:
    with pytest.raises(UsageError, match="does not go on with texts"):
        list(engine.generate("flowers", "Emma", GREEDY, PATIENCE))
    with pytest.raises(UsageError, match='no model "talkr"'):
        list(engine.generate("talkr", "Emma", GREEDY, PATIENCE))
    with pytest.raises(UsageError, match=r"the prompt has [\d,]+ tokens, and 127 fit"):
        list(engine.generate("talker", "Emma " * 500, GREEDY, PATIENCE))
    with pytest.raises(UsageError, match="a conversation has a message"):
        list(engine.generate("talker", [], GREEDY, PATIENCE))


@pytest.mark.slow
def test_an_engine_that_is_killed_in_the_midst_says_so_and_comes_back(speaking: Workspace) -> None:
    with EngineProcess(speaking, "cpu", threads=9) as engine:
        answer = engine.generate("walker", "Emma", ENDLESS, PATIENCE)
        next(answer)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineEnded):
            list(answer)
        assert list(engine.generate("talker", "Emma", GREEDY, PATIENCE))


def test_who_asks_holds_no_torch(engine: EngineProcess) -> None:
    import subprocess

    code = "import sys, core.inference.process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_silence_is_given_up(engine: EngineProcess) -> None:
    with pytest.raises(LeptonError, match="has said nothing"):
        list(engine.generate("walker", "Emma " * 3000, GREEDY, 1e-6))
