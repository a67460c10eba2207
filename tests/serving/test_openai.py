"""Language models for OpenAI's own client: chats, completions and vectors, whole and streamed."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import openai
import pytest

from core.generation.chat import Message
from core.generation.sampling import Sampling
from core.inference.engine import Engine
from core.inference.streams import AT_WORK
from core.workspace import Workspace
from tests.serving.conftest import PATIENCE, Running, Start

TALK: Any = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Who is Emma?"},
]
SHORT: dict[str, Any] = {"max_tokens": 12, "temperature": 0}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def speaking(lepton_serve: Start) -> Running:
    return lepton_serve("talker", "walker", "moods", "flowers")


@pytest.fixture(scope="module")
def client(speaking: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{speaking.address}/v1", api_key="none", max_retries=0, timeout=PATIENCE
    ) as made:
        yield made


@pytest.fixture(scope="module")
def here(home: Workspace) -> Engine:
    return Engine(home, "cpu")


def said(here: Engine, prompt: Any, **settings: Any) -> str:
    sampling = Sampling.of({**SHORT, **settings})
    return "".join(part.text for part in here.generate("talker", prompt, sampling))


def test_a_chat_is_answered_as_the_engine_answers_it(client: openai.OpenAI, here: Engine) -> None:
    found = client.chat.completions.create(model="talker", messages=TALK, **SHORT)
    wanted = said(here, [Message.of(each) for each in TALK])
    (choice,) = found.choices
    assert choice.message.content == wanted
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "length"
    assert found.usage is not None
    assert found.usage.completion_tokens == 12
    assert found.usage.total_tokens == found.usage.prompt_tokens + 12
    assert found.model_extra is not None
    assert found.model_extra["timings"]["decode_rate"] > 0


def test_a_streamed_chat_is_the_same_in_parts(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="talker", messages=TALK, **SHORT)
    events = list(
        client.chat.completions.create(
            model="talker",
            messages=TALK,
            stream=True,
            stream_options={"include_usage": True},
            **SHORT,
        )
    )
    assert events[0].choices[0].delta.role == "assistant"
    parts = [each.choices[0].delta.content or "" for each in events if each.choices]
    assert len([part for part in parts if part]) > 3
    assert "".join(parts) == whole.choices[0].message.content
    assert events[-2].choices[0].finish_reason == "length"
    assert events[-1].choices == []
    assert events[-1].usage == whole.usage
    assert all(each.usage is None for each in events[:-1])
    assert len({each.id for each in events}) == 1


def test_a_text_is_gone_on_with(client: openai.OpenAI, here: Engine) -> None:
    wanted = said(here, "Emma was")
    found = client.completions.create(model="talker", prompt="Emma was", **SHORT)
    assert found.choices[0].text == wanted
    echoed = client.completions.create(model="talker", prompt="Emma was", echo=True, **SHORT)
    assert echoed.choices[0].text == "Emma was" + wanted
    stream = client.completions.create(model="talker", prompt="Emma was", stream=True, **SHORT)
    assert "".join(each.choices[0].text for each in stream) == wanted


def test_several_answers_differ_and_a_seed_repeats_them(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "talker", "messages": TALK, "n": 3, "seed": 5}
    asked |= {"max_tokens": 12, "temperature": 1.5}
    one, other = (client.chat.completions.create(**asked) for _ in range(2))
    texts = [choice.message.content for choice in one.choices]
    assert len(set(texts)) == 3
    assert [choice.message.content for choice in other.choices] == texts
    assert one.usage is not None
    assert 12 < one.usage.completion_tokens <= 36
    streamed = ["", "", ""]
    for event in client.chat.completions.create(stream=True, **asked):
        for choice in event.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


def test_a_stop_word_ends_it(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="talker", prompt="Emma was", **SHORT).choices[0].text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    ended = client.completions.create(model="talker", prompt="Emma was", stop=stop, **SHORT)
    assert ended.choices[0].text == whole[: whole.index(stop)]
    assert ended.choices[0].finish_reason == "stop"


def test_an_answer_has_the_shape_that_is_asked_for(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["up", "down"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    found = client.chat.completions.create(
        model="talker",
        messages=TALK,
        seed=1,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "mood", "schema": schema, "strict": True},
        },
    )
    assert found.choices[0].finish_reason == "stop"
    assert json.loads(found.choices[0].message.content or "")["mood"] in ("up", "down")
    loose = client.chat.completions.create(
        model="talker", messages=TALK, max_tokens=3, response_format={"type": "json_object"}
    )
    assert (loose.choices[0].message.content or "").startswith("{")


def test_texts_become_vectors(client: openai.OpenAI) -> None:
    texts = ["good film", "awful plot, awful scene", "good film"]
    for model in ("moods", "talker"):
        found = client.embeddings.create(model=model, input=texts)
        vectors = [each.embedding for each in found.data]
        assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)
        assert vectors[0] != pytest.approx(vectors[1], abs=1e-3)
        plain = client.embeddings.create(model=model, input=texts[0], encoding_format="float")
        assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-5)
        assert found.usage.prompt_tokens > plain.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        ({"top_logprobs": 2}, "top_logprobs", "Set logprobs to true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"tools": [{"type": "function"}]}, "tools", "models call no tools here. Leave it out."),
        ({"functions": [{"name": "f"}]}, "functions", "models call no functions here"),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "models call no tools here"),
        ({"frequency_penalty": 2.5}, "frequency_penalty", "less than or equal to 2"),
        ({"logit_bias": {"50256": -100}}, "logit_bias", "Its tokens are 0 to"),
        ({"logit_bias": {"emma": -100}}, "logit_bias", "Name tokens by their numbers"),
        ({"logit_bias": {"5": -101}}, "logit_bias", "greater than or equal to -100"),
        ({"temprature": 0.5}, "temprature", 'is not taken here. Did you mean "temperature"?'),
        ({"prediction": {"type": "content"}}, "prediction", "is not taken here. Leave it out."),
        ({"stream_options": {}, "stop": ["a"] * 5}, "stop", "at most 4 items"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "Set stream to true"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}},
         "stream_options.include_obfuscation", "is not filled up here"),
        ({"max_completion_tokens": 5}, "max_tokens", "Send one of the two"),
        ({"store": True}, "store", "answers are not kept here"),
        ({"metadata": {"a": "b"}}, "metadata", "answers are not kept here"),
        ({"messages": [{"role": "user", "content": "x", "name": "Bo"}]}, "messages.0.name",
         "Write who speaks into the content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "call no tools"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
         "messages.0.content.0.type", "should be 'text'"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content", "a valid string"),
        ({"temperature": 3.0}, "temperature", "less than or equal to 2"),
        ({"n": 100}, "n", "less than or equal to 8"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "me", "content": "x"}]}, "messages.0.role", "Input should be"),
        ({"response_format": {"type": "xml"}}, "response_format", "response_format"),
        ({"model": "flowers"}, "model", "does not go on with texts"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_named(
    client: openai.OpenAI, more: dict[str, Any], param: str, words: str
) -> None:
    body = {"model": "talker", "messages": TALK, **SHORT, **more}
    with pytest.raises(openai.BadRequestError) as told:
        client.post(CHAT.removeprefix("/v1"), body=body, cast_to=object)
    assert told.value.param is not None
    assert told.value.param.startswith(param)
    assert words in told.value.message
    assert "constrained" not in told.value.message


def test_what_asks_for_nothing_is_taken(client: openai.OpenAI, speaking: Running) -> None:
    """Clients send what they do not use, too."""
    unused: Any = {"logprobs": False, "top_logprobs": None, "tools": [], "tool_choice": "none"}
    unused |= {"logit_bias": {}, "frequency_penalty": 0, "presence_penalty": None}
    unused |= {"parallel_tool_calls": True, "response_format": None, "store": False}
    unused |= {"modalities": ["text"], "service_tier": "auto", "metadata": {}}
    body = {"model": "talker", "messages": TALK, **SHORT}
    plain, both = (
        client.post(CHAT[3:], body=each, cast_to=object) for each in (body, body | unused)
    )
    assert both["choices"] == plain["choices"]
    text = {"model": "talker", "prompt": "Emma", "suffix": None, "best_of": 1, "logprobs": None}
    assert client.post("/completions", body=text | SHORT, cast_to=object)["choices"]
    reply = speaking.client.post(CHAT, json={"model": "talker", "messages": TALK, "temprature": 1})
    assert reply.json()["hint"] == 'Did you mean "temperature"?'
    assert speaking.metric("lepton_requests_total", route="chat/completions", status="400") >= 1


def test_an_answer_is_given_back_as_it_was_told(client: openai.OpenAI, here: Engine) -> None:
    asked: dict[str, Any] = {"model": "talker", **SHORT}
    first = client.chat.completions.create(messages=TALK, **asked).choices[0].message
    more: Any = [*TALK, first, {"role": "user", "content": "And who is she?"}]
    again = client.chat.completions.create(messages=more, **asked).choices[0].message.content
    told = {"role": "assistant", "content": first.content}
    assert again == said(here, [Message.of(each) for each in [*TALK, told, more[-1]]])


def test_several_texts_are_gone_on_with(client: openai.OpenAI, here: Engine) -> None:
    texts = ["Emma was", "She had"]
    asked: dict[str, Any] = {"model": "talker", "prompt": texts, "n": 2, "echo": True, **SHORT}
    found = client.completions.create(**asked)
    wanted = [text + said(here, text) for text in texts]
    assert [each.text for each in found.choices] == [each for each in wanted for _ in range(2)]
    assert [each.index for each in found.choices] == [0, 1, 2, 3]
    alone = [client.completions.create(**{**asked, "prompt": text}).usage for text in texts]
    assert found.usage is not None
    assert found.usage.total_tokens == sum(each.total_tokens for each in alone if each)
    streamed = ["", "", "", ""]
    for event in client.completions.create(stream=True, **asked):
        for choice in event.choices:
            streamed[choice.index] += choice.text
    assert streamed == [each.text for each in found.choices]
    for wrong in ([], ["x"] * 33, [1, 2], ["x", "Emma " * 500]):
        with pytest.raises(openai.BadRequestError, match=r"Send a text|Shorten it"):
            client.completions.create(**{**asked, "prompt": wrong})


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_told_as_openai_tells_it(
    client: openai.OpenAI, stream: bool
) -> None:
    talk: Any = [{"role": "user", "content": "Emma " * 500}]
    with pytest.raises(openai.BadRequestError, match="127 fit into this model") as told:
        client.chat.completions.create(model="talker", messages=talk, stream=stream)
    assert told.value.code == "context_length_exceeded"
    assert told.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="schema cannot be held"):
        client.chat.completions.create(
            model="talker",
            messages=TALK,
            stream=stream,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "nonsense"}},
            },
        )


def test_models_that_are_not_there_or_make_no_vectors_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no such model"):
        client.chat.completions.create(model="nobody", messages=TALK)
    with pytest.raises(openai.BadRequestError, match="flowers reads no texts"):
        client.embeddings.create(model="flowers", input="x")
    with pytest.raises(openai.BadRequestError, match="127 fit"):
        client.embeddings.create(model="talker", input=["fine", "Emma " * 500])


def test_a_client_that_leaves_stops_the_answer(client: openai.OpenAI, speaking: Running) -> None:
    endless: Any = {"model": "walker", "messages": TALK, "max_tokens": 150_000, "temperature": 0}
    stream = client.chat.completions.create(stream=True, **endless)
    for event in stream:
        if event.choices[0].delta.content:
            break
    assert speaking.metric("lepton_queue_requests") == 1
    stream.close()
    line = speaking.log(lambda each: each.get("model") == "walker")
    assert line["error"] == "the client has left"
    assert speaking.metric("lepton_queue_requests") == 0
    # As many as the engine has at work at once: were one of them left there, nobody had a turn.
    streams = [
        client.chat.completions.create(stream=True, n=8, **endless) for _ in range(AT_WORK // 8)
    ]
    for each in streams:
        next(iter(each))
        each.close()
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=1.0).chat.completions.create(**endless)
    again = client.chat.completions.create(model="walker", messages=TALK, **SHORT)
    assert again.choices[0].message.content


@pytest.mark.slow
def test_a_client_that_does_not_read_is_left(bounded: Start) -> None:
    service = bounded("walker", unread_seconds=0.3)
    endless = {"max_tokens": 150_000, "temperature": 0, "stream": True, "n": 8}
    body = json.dumps({"model": "walker", "messages": TALK, **endless}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as client:
        # What the system keeps for a client is bounded too, but by megabytes.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.sendall(head.encode() + body)
        line = service.log(lambda each: each.get("model") == "walker")
        assert line["error"] == "the client has left"
        assert service.metric("lepton_queue_requests") == 0
        client.settimeout(PATIENCE)
        told = b"".join(iter(partial(client.recv, 65536), b""))
        assert b"data: {" in told
        assert b"[DONE]" not in told
    again = service.client.post(
        "/v1/completions", json={"model": "walker", "prompt": "It", **SHORT}
    )
    assert again.json()["choices"][0]["text"]


def test_a_deadline_of_the_client_ends_an_answer(client: openai.OpenAI) -> None:
    endless: Any = {"model": "walker", "messages": TALK, "max_tokens": 150_000, "temperature": 0}
    hurry = client.with_options(default_headers={"X-Request-Timeout": "0.5"})
    with pytest.raises(openai.InternalServerError) as told:
        hurry.chat.completions.create(**endless)
    assert told.value.status_code == 504
    with pytest.raises(openai.APIError, match="the time for an answer is over"):
        list(hurry.chat.completions.create(stream=True, **endless))


def test_tokens_are_counted(speaking: Running, client: openai.OpenAI) -> None:
    before = speaking.metric("lepton_new_tokens_total", model="talker")
    client.chat.completions.create(model="talker", messages=TALK, **SHORT)
    assert speaking.metric("lepton_new_tokens_total", model="talker") == before + 12


@pytest.mark.slow
def test_an_engine_that_is_killed_in_the_midst_is_told_in_the_stream(bounded: Start) -> None:
    service = bounded("walker", alone=True)
    client = openai.OpenAI(base_url=f"{service.address}/v1", api_key="none", max_retries=0)
    stream = client.chat.completions.create(
        model="walker", messages=TALK, stream=True, max_tokens=150_000, temperature=0
    )
    next(iter(stream))
    os.kill(service.engine.pid, signal.SIGKILL)
    with pytest.raises(openai.APIError, match="the engine ended while it was at work"):
        list(stream)
    client.close()


def test_only_whom_a_key_is_for(bounded: Start, home: Workspace) -> None:
    from core.serving.keys import Keys

    service = bounded("talker", "walker", keys=True)
    secret, _ = Keys(home).add("short", models=["talker"])

    def client(key: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{service.address}/v1", api_key=key)

    with client("wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="talker", messages=TALK)
    with client(secret) as mine:
        assert mine.chat.completions.create(model="talker", messages=TALK, **SHORT).choices
        with pytest.raises(openai.PermissionDeniedError):
            mine.chat.completions.create(model="walker", messages=TALK)
