"""How likely tokens were, and which are wanted, as OpenAI's own client asks for it and reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import torch

from core.generation.chat import Message
from core.generation.generation import advance
from core.generation.pieces import Piece
from core.generation.sampling import Sampling
from core.inference.engine import Engine
from core.serving.batch_files import answer_file
from core.serving.batch_handlers import handlers
from core.serving.endpoints import Endpoints
from core.serving.settings import Limits
from core.workspace import Workspace
from tests.serving.conftest import PATIENCE, Running, Start

TALK: Any = [{"role": "user", "content": "Who is Emma?"}]
SHORT: dict[str, Any] = {"model": "talker", "max_tokens": 12, "temperature": 0}


@pytest.fixture(scope="module")
def speaking(lepton_serve: Start) -> Running:
    return lepton_serve("talker")


@pytest.fixture(scope="module")
def client(speaking: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{speaking.address}/v1", api_key="none", max_retries=0, timeout=PATIENCE
    ) as made:
        yield made


@pytest.fixture(scope="module")
def here(home: Workspace) -> Engine:
    return Engine(home, "cpu")


def plain(here: Engine, prompt: Any, answer: bytes) -> list[list[float]]:
    """The log-probabilities that the module itself gives in one pass at each place of an answer."""
    with here.use("talker") as model, torch.inference_mode():
        task: Any = model.task
        if isinstance(prompt, str):
            begun = task.pairs.prompt(prompt)
        else:
            said = task.chat.written([Message.of(each) for each in prompt])
            begun = task.pairs.prompt(said, begun=task.chat.begun)
        pieces = [task.pairs.prompt(answer.decode(), begun=True)] if answer else [[]]
        tokens = torch.tensor([[*begun, *pieces[0]]])
        found = model.module(tokens)[0, len(begun) - 1 :].double().log_softmax(-1)
        return list(found.tolist())


def whole_text(tokens: Any) -> bytes:
    return b"".join(bytes(each.bytes) for each in tokens)


def assert_alike(one: Any, other: Any) -> None:
    """Who is answered beside whom changes the last digits."""
    for mine, theirs in zip(one, other, strict=True):
        assert (mine.token, mine.bytes) == (theirs.token, theirs.bytes)
        assert math.isclose(mine.logprob, theirs.logprob, abs_tol=1e-4)
        assert [each.logprob for each in mine.top_logprobs] == pytest.approx(
            [each.logprob for each in theirs.top_logprobs], abs=1e-4
        )


def test_a_chat_tells_how_likely_its_tokens_were(client: openai.OpenAI, here: Engine) -> None:
    asked: dict[str, Any] = {**SHORT, "messages": TALK, "temperature": 1.3, "seed": 3}
    found = client.chat.completions.create(**asked, logprobs=True, top_logprobs=4)
    (choice,) = found.choices
    assert choice.logprobs is not None
    content = choice.logprobs.content
    assert content is not None
    assert found.usage is not None
    assert len(content) == found.usage.completion_tokens
    assert whole_text(content).decode(errors="replace") == choice.message.content
    wanted = plain(here, TALK, b"")[0]
    best = sorted(wanted, reverse=True)[:4]
    assert [each.logprob for each in content[0].top_logprobs] == pytest.approx(best, abs=1e-4)
    assert content[0].logprob == pytest.approx(
        min(wanted, key=lambda each: abs(each - content[0].logprob)), abs=1e-4
    )
    assert all(len(each.top_logprobs) == 4 and each.logprob <= 0 for each in content)
    bare = client.chat.completions.create(**asked, logprobs=True).choices[0]
    assert bare.message.content == choice.message.content, "to be told changes no answer"
    assert bare.logprobs is not None
    assert {len(each.top_logprobs) for each in bare.logprobs.content or ()} == {0}
    silent = client.chat.completions.create(**asked).choices[0]
    assert silent.logprobs is None


def test_a_streamed_chat_tells_the_same(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {**SHORT, "messages": TALK, "n": 2, "seed": 3, "temperature": 1.5}
    asked |= {"logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**asked)
    told: list[list[Any]] = [[], []]
    texts = ["", ""]
    for event in client.chat.completions.create(stream=True, **asked):
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.logprobs is not None:
                told[choice.index] += choice.logprobs.content or ()
    for choice in whole.choices:
        assert choice.message.content == texts[choice.index]
        assert choice.logprobs is not None
        assert_alike(choice.logprobs.content, told[choice.index])


def test_a_text_tells_how_likely_its_tokens_were(client: openai.OpenAI, here: Engine) -> None:
    asked: dict[str, Any] = {**SHORT, "prompt": "Emma was", "logprobs": 3}
    (choice,) = client.completions.create(**asked).choices
    found = choice.logprobs
    assert found is not None
    assert found.tokens is not None
    assert found.token_logprobs is not None
    assert found.top_logprobs is not None
    assert "".join(found.tokens) == choice.text
    starts = [sum(map(len, found.tokens[:at])) for at in range(len(found.tokens))]
    assert found.text_offset == starts
    for at, (mine, top) in enumerate(zip(found.token_logprobs, found.top_logprobs, strict=True)):
        wanted = plain(here, "Emma was", "".join(found.tokens[:at]).encode())[-1]
        assert mine == pytest.approx(max(wanted), abs=1e-4), "the likeliest was chosen"
        assert [*top.values()] == pytest.approx(sorted(wanted, reverse=True)[:3], abs=1e-4)
    alone = client.completions.create(**{**asked, "logprobs": 0}).choices[0].logprobs
    assert alone is not None
    assert [[*each] for each in alone.top_logprobs or ()] == [[each] for each in found.tokens]
    tokens: list[str] = []
    offsets: list[int] = []
    for event in client.completions.create(stream=True, **asked):
        if (part := event.choices[0].logprobs) is not None:
            tokens += part.tokens or ()
            offsets += part.text_offset or ()
    assert (tokens, offsets) == (found.tokens, found.text_offset)


@pytest.mark.parametrize("most", [0, 5])
def test_an_echoed_prompt_tells_how_likely_it_was(
    client: openai.OpenAI, here: Engine, most: int
) -> None:
    prompt = "Emma was händsome."
    asked: dict[str, Any] = {**SHORT, "prompt": prompt, "logprobs": 2, "echo": True}
    asked["max_tokens"] = most
    (choice,) = client.completions.create(**asked).choices
    assert choice.text.startswith(prompt)
    assert (choice.text == prompt) == (most == 0)
    found = choice.logprobs
    assert found is not None
    assert found.tokens is not None
    assert found.token_logprobs is not None
    assert found.top_logprobs is not None
    with here.use("talker") as model, torch.inference_mode():
        task: Any = model.task
        pieces = task.pairs.prompt(prompt)
        marks = len(task.pairs.start)
        wanted = model.module(torch.tensor([pieces]))[0].double().log_softmax(-1)
    echoed = pieces[marks:]
    assert len(found.tokens) == len(echoed) + most
    assert found.tokens[0] == "E"
    for at, piece in enumerate(echoed):
        mine, top = found.token_logprobs[at], found.top_logprobs[at]
        if at + marks == 0:
            assert (mine, top) == (None, None), "nothing stands before it"
            continue
        row = wanted[at + marks - 1]
        assert mine == pytest.approx(row[piece].item(), abs=1e-4)
        assert max(top.values()) == pytest.approx(row.max().item(), abs=1e-4)
    said = found.tokens[len(echoed) :]
    assert prompt + "".join(said) == choice.text
    assert (found.text_offset or [])[len(echoed) :] == [
        len(prompt + "".join(said[:at])) for at in range(most)
    ]
    events = list(client.completions.create(stream=True, **asked))
    parts = [event.choices[0] for event in events if event.choices]
    assert "".join(part.text for part in parts) == choice.text
    likely = [part.logprobs for part in parts if part.logprobs is not None]
    assert [each for part in likely for each in part.tokens or ()] == found.tokens
    offsets = [each for part in likely for each in part.text_offset or ()]
    assert offsets == found.text_offset


def test_a_prompt_that_was_set_aside_is_told_once(here: Engine) -> None:
    with here.use("talker") as model:
        task: Any = model.task
        sampling = Sampling.of({"logprobs": 0, "echo": True, "max_tokens": 3, "temperature": 0})
        told: list[list[Any]] = []
        for aside in (False, True):
            generation, tokens = task.generation("Emma was handsome", sampling), []
            steps = 0
            while not generation.over:
                advance(model.decoder(), [generation])
                steps += 1
                if aside and steps in (2, 5):
                    generation.set_aside()
                tokens += (generation.take() or Piece("")).tokens
            told.append(tokens)
    assert [each.raw for each in told[0]] == [each.raw for each in told[1]]
    assert [each.offset for each in told[0]] == [each.offset for each in told[1]]


def test_the_likeliest_of_several_are_given(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {**SHORT, "prompt": ["Emma was", "Harriet"], "temperature": 1.3}
    asked |= {"seed": 3}
    several = client.completions.create(**asked, n=6, logprobs=0)

    def likely(choice: Any) -> float:
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    for more in ({}, {"echo": True}, {"logprobs": 1}):
        best = client.completions.create(**asked, n=2, best_of=6, **more)
        assert [choice.index for choice in best.choices] == [0, 1, 2, 3]
        for at in (0, 1):
            mine = several.choices[6 * at : 6 * at + 6]
            wanted = [each.text for each in sorted(mine, key=likely, reverse=True)[:2]]
            begun = asked["prompt"][at] if "echo" in more else ""
            given = best.choices[2 * at : 2 * at + 2]
            assert [each.text for each in given] == [begun + text for text in wanted]
            assert all((each.logprobs is None) == ("logprobs" not in more) for each in given)
        assert best.usage == several.usage, "all of them were said"
    with pytest.raises(openai.BadRequestError, match="less than n"):
        client.completions.create(**asked, n=3, best_of=2)
    with pytest.raises(openai.BadRequestError, match="Leave stream or best_of out"):
        client.completions.create(**asked, best_of=2, stream=True)


def test_a_token_that_is_no_whole_letter_is_told_in_bytes(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {**SHORT, "messages": TALK, "temperature": 2, "top_p": 1, "n": 8}
    asked |= {"max_tokens": 40, "seed": 1, "logprobs": True, "extra_body": {"top_k": 0}}
    found = client.chat.completions.create(**asked)
    broken = 0
    for choice in found.choices:
        assert choice.logprobs is not None
        for each in choice.logprobs.content or ():
            raw = bytes(each.bytes or ())
            try:
                assert each.token == raw.decode()
            except UnicodeDecodeError:
                broken += 1
                assert each.token == "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)
    assert broken


def test_tokens_are_wanted_or_not(client: openai.OpenAI, here: Engine) -> None:
    with here.use("talker") as model:
        task: Any = model.task
        (dot,) = task.pairs.prompt(".", begun=True)
    asked: dict[str, Any] = {**SHORT, "prompt": "Emma was"}
    forced = client.completions.create(**asked, logit_bias={str(dot): 100}).choices[0]
    assert forced.text == "." * 12
    first = client.completions.create(**asked, logprobs=0).choices[0]
    assert first.logprobs is not None
    (word, *_) = first.logprobs.tokens or ()
    (piece,) = task.pairs.prompt(word, begun=True)
    without = client.completions.create(**asked, logit_bias={str(piece): -100}, logprobs=0)
    assert without.choices[0].logprobs is not None
    assert word not in (without.choices[0].logprobs.tokens or ())


@pytest.mark.parametrize("penalty", ["presence_penalty", "frequency_penalty"])
def test_what_was_said_is_said_less(client: openai.OpenAI, penalty: str) -> None:
    """A model that says one token again and again says others, and below 0 it says it more."""
    asked: dict[str, Any] = {**SHORT, "prompt": "Emma was", "max_tokens": 40, "logprobs": 0}
    asked |= {"temperature": 1.0, "seed": 2}

    def kinds(value: float) -> int:
        found = client.completions.create(**asked, **{penalty: value}).choices[0].logprobs
        assert found is not None
        return len(set(found.tokens or ()))

    assert kinds(-2) < kinds(0) < kinds(2)


def test_batch_files_tell_it_too(home: Workspace, client: openai.OpenAI, tmp_path: Path) -> None:
    from core.inference.process import EngineProcess

    asked = {**SHORT, "messages": TALK, "logprobs": True, "top_logprobs": 2, "n": 2}
    wanted = client.chat.completions.create(**asked)
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": asked}
    (requests := tmp_path / "in.jsonl").write_text(json.dumps(line) + "\n")
    endpoints = Endpoints(home, Limits())
    endpoints.serve("talker")
    with EngineProcess(home, "cpu") as engine:
        known = handlers(endpoints.choose("talker"), engine)
        answer_file(requests, tmp_path / "out.jsonl", known)
    body = json.loads((tmp_path / "out.jsonl").read_text())["response"]["body"]
    told = openai.types.chat.ChatCompletion.model_validate(body)
    for one, other in zip(told.choices, wanted.choices, strict=True):
        assert one.message.content == other.message.content
        assert one.logprobs is not None
        assert other.logprobs is not None
        assert_alike(one.logprobs.content, other.logprobs.content)
