"""What OpenAI's clients are told: the shapes of answers, and their parts."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from core.generation.pieces import Ending, Token


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Said(TypedDict):
    role: str
    content: str
    refusal: None


class Likely(TypedDict):
    """A token and its log-probability; one that is no whole letter is written as `bytes:\\xf0`."""

    token: str
    bytes: list[int]
    logprob: float


class SaidToken(Likely):
    """A token of an answer, and the likeliest of its place."""

    top_logprobs: list[Likely]


class ChatLogprobs(TypedDict):
    """How likely the model thought what it said, whatever the settings made of that."""

    content: list[SaidToken]
    refusal: None


class ChatChoice(TypedDict):
    index: int
    message: Said
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(TypedDict):
    """The answers to a conversation; `timings` are in seconds and tokens a second."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    timings: dict[str, float]


class TextLogprobs(TypedDict):
    """How likely the model thought each token, and the likeliest of its place; `text_offset` is the
    letter of the text at which it begins. Before the first of a prompt nothing says it: null."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(TypedDict):
    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(TypedDict):
    """What a text goes on with; `timings` are in seconds and tokens a second."""

    id: str
    object: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    timings: dict[str, float]


class Vector(TypedDict):
    object: str
    index: int
    embedding: list[float] | str


class EmbeddingUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class Embeddings(TypedDict):
    object: str
    model: str
    data: list[Vector]
    usage: EmbeddingUsage


ANSWERS: Mapping[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each) for each in (ChatCompletion, Completion, Embeddings)
}


def chat_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    """How likely the tokens of a chat's answer were."""
    content = [
        {
            **_likely(each.raw, each.logprob),
            "top_logprobs": [_likely(*one) for one in each.likeliest],
        }
        for each in tokens
    ]
    return {"content": content, "refusal": None}


def text_logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    """How likely the tokens were with which a text goes on."""
    return {
        "tokens": [_written(each.raw) for each in tokens],
        "token_logprobs": [None if isnan(each.logprob) else each.logprob for each in tokens],
        "top_logprobs": [_top(each) for each in tokens],
        "text_offset": [each.offset for each in tokens],
    }


def _top(token: Token) -> dict[str, float] | None:
    """The token itself is among them, as OpenAI has it. Of two that are written alike, the likelier
    counts."""
    if isnan(token.logprob):
        return None
    found: dict[str, float] = {}
    for each, logprob in (*token.likeliest, (token.raw, token.logprob)):
        found.setdefault(_written(each), logprob)
    return found


def _likely(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": _written(token), "bytes": [*token], "logprob": logprob}


def _written(token: bytes) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{each:02x}" for each in token)


def usage(endings: Sequence[Ending], each: int) -> dict[str, int]:
    """The tokens of prompts with `each` so many answers."""
    prompt = sum(ending.prompt_tokens for ending in endings[::each])
    new = sum(each.new_tokens for each in endings)
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


def timings(endings: Sequence[Ending]) -> dict[str, float]:
    """How quickly the prompt was read, and the first answer was said."""
    told = endings[0].to_json()
    names = ("prefill_seconds", "decode_seconds", "prefill_rate", "decode_rate")
    return {name: round(told[name], 4) for name in names}


def coded(vector: Sequence[float], form: str) -> list[float] | str:
    """A vector as it is asked for: as numbers, or as float32 in base64."""
    if form == "float":
        return list(vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
