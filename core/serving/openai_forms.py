"""What OpenAI's clients send to have texts made, and what they are told."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, StrictBool, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from core.errors import UsageError, meant
from core.generation.chat import Message, Prompt
from core.generation.pieces import Ending
from core.generation.sampling import MOST_SEED, MOST_STOP_LETTERS, Sampling
from core.serving.problems import Refused

MOST_ANSWERS = 8
MOST_MESSAGES = 1000
MOST_TEXTS = 256
MOST_PROMPTS = 32
_CLOSED = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
_Text = Annotated[str, Field(max_length=1_000_000)]
_Stop = Annotated[str, Field(min_length=1, max_length=MOST_STOP_LETTERS)]
_Note = Annotated[dict[str, str], Field(max_length=16)]
_Off = Annotated[float, Field(ge=0, le=0)]
_Empty = Annotated[list[Any], Field(max_length=0)]
_NoBias = Annotated[dict[str, float], Field(max_length=0)]

_LEAVE = "Leave it out."
_NOT_BUILT: Mapping[str, tuple[str, str]] = {
    "tools": ("models call no tools here", _LEAVE),
    "tool_choice": ("models call no tools here", _LEAVE),
    "logprobs": ("how likely the tokens were is not told here", _LEAVE),
    "top_logprobs": ("how likely the tokens were is not told here", _LEAVE),
    "logit_bias": ("tokens cannot be made likelier one by one here", _LEAVE),
    "presence_penalty": ("it is not taken here", "Set repetition_penalty, as 1.1."),
    "frequency_penalty": ("it is not taken here", "Set repetition_penalty, as 1.1."),
    "suffix": ("models go on with texts here, and fill in none", _LEAVE),
    "best_of": ("answers are not chosen from here", "Ask for n of them."),
}
"""What OpenAI's API has and this one does not: why, and what to do. A value that asks for nothing
is taken, since clients send those too."""


@_CLOSED
class TextPart(TypedDict):
    type: Literal["text"]
    text: _Text


@_CLOSED
class ChatMessage(TypedDict):
    """What one side said. "developer" is another name for "system"."""

    role: Literal["system", "developer", "user", "assistant"]
    content: _Text | Annotated[list[TextPart], Field(min_length=1, max_length=100)]
    name: NotRequired[str]


@_CLOSED
class AnyText(TypedDict):
    type: Literal["text"]


@_CLOSED
class AnyJson(TypedDict):
    type: Literal["json_object"]


@_CLOSED
class NamedSchema(TypedDict):
    name: str
    description: NotRequired[str]
    schema: dict[str, Any]
    strict: NotRequired[StrictBool | None]


@_CLOSED
class JsonOfSchema(TypedDict):
    type: Literal["json_schema"]
    json_schema: NamedSchema


@_CLOSED
class StreamOptions(TypedDict):
    include_usage: NotRequired[StrictBool]
    include_obfuscation: NotRequired[StrictBool]


class _Common(TypedDict):
    """What both ways to ask have. `top_k`, `min_p` and `repetition_penalty` are beside OpenAI's."""

    model: str
    max_tokens: NotRequired[Annotated[int, Field(ge=1, le=1 << 20)] | None]
    temperature: NotRequired[Annotated[float, Field(ge=0, le=2)] | None]
    top_p: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]
    top_k: NotRequired[Annotated[int, Field(ge=0, le=1 << 20)] | None]
    min_p: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]
    repetition_penalty: NotRequired[Annotated[float, Field(ge=0.01, le=10)] | None]
    n: NotRequired[Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None]
    seed: NotRequired[Annotated[int, Field(ge=0, le=MOST_SEED)] | None]
    stop: NotRequired[_Stop | Annotated[list[_Stop], Field(max_length=4)] | None]
    stream: NotRequired[StrictBool | None]
    stream_options: NotRequired[StreamOptions | None]
    presence_penalty: NotRequired[_Off | None]
    frequency_penalty: NotRequired[_Off | None]
    logit_bias: NotRequired[_NoBias | None]
    user: NotRequired[str]


@_CLOSED
class ChatRequest(_Common):
    """A conversation to be answered."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: NotRequired[Annotated[int, Field(ge=1, le=1 << 20)] | None]
    response_format: NotRequired[AnyText | AnyJson | JsonOfSchema | None]
    logprobs: NotRequired[Literal[False] | None]
    top_logprobs: NotRequired[None]
    tools: NotRequired[_Empty | None]
    tool_choice: NotRequired[Literal["none", "auto"] | None]
    parallel_tool_calls: NotRequired[StrictBool | None]
    store: NotRequired[Literal[False] | None]
    metadata: NotRequired[_Note | None]


@_CLOSED
class CompletionRequest(_Common):
    """A text to be gone on with, or several."""

    prompt: _Text | Annotated[list[_Text], Field(min_length=1, max_length=MOST_PROMPTS)]
    echo: NotRequired[StrictBool | None]
    logprobs: NotRequired[None]
    suffix: NotRequired[Literal[""] | None]
    best_of: NotRequired[Literal[1] | None]


@_CLOSED
class EmbeddingRequest(TypedDict):
    """Texts that are to become vectors."""

    model: str
    input: _Text | Annotated[list[_Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: NotRequired[Literal["float", "base64"]]
    user: NotRequired[str]


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Said(TypedDict):
    role: str
    content: str
    refusal: None


class ChatChoice(TypedDict):
    index: int
    message: Said
    logprobs: None
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


class TextChoice(TypedDict):
    index: int
    text: str
    logprobs: None
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


REQUESTS: Mapping[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each) for each in (ChatRequest, CompletionRequest, EmbeddingRequest)
}
ANSWERS: Mapping[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each) for each in (ChatCompletion, Completion, Embeddings)
}


def read(form: str, body: Any) -> dict[str, Any]:
    """A request of that form.

    Raises:
        Refused: it is not; names the first parameter that is wrong.
    """
    try:
        found: dict[str, Any] = REQUESTS[form].validate_python(body)
    except ValidationError as error:
        raise _refused(form, error) from None
    return found


def _refused(form: str, error: ValidationError) -> Refused:
    """The first parameter that is wrong, and why."""
    found = [(_steps(each), each) for each in error.errors(include_url=False, include_input=False)]
    # Of what may be one thing or another, that which says most precisely what is wrong.
    begun = found[0][0]
    steps, worst = max(
        (each for each in found if each[0][: len(begun)] == begun), key=lambda each: len(each[0])
    )
    where = ".".join(map(str, steps))[:80]
    if steps and steps[0] in _NOT_BUILT:
        why, hint = _NOT_BUILT[steps[0]]
        return Refused(400, f"{steps[0]}: {why}", where=where, hint=hint)
    if worst["type"] == "extra_forbidden":
        known = REQUESTS[form].json_schema()["properties"] if len(steps) == 1 else ()
        return Refused(
            400, f"{where}: is not taken here", where=where, hint=meant(steps[-1][:80], known)
        )
    return Refused(400, f"{where or 'the body'}: {worst['msg']}", where=where)


def _steps(error: Any) -> list[Any]:
    """The way to a value; without the names that pydantic has for the kinds it may be."""
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        return [*_steps({"loc": loc[:-1], "type": ""}), loc[-1]]
    return [
        each for each in loc if isinstance(each, int) or (each.isidentifier() and each.islower())
    ]


def sampling_of(asked: Mapping[str, Any]) -> Sampling:
    """The settings of a request.

    Raises:
        Refused: they cannot be.
    """
    named = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed", "stop")
    given = {name: asked[name] for name in named if asked.get(name) is not None}
    most = asked.get("max_completion_tokens") or asked.get("max_tokens")
    shape = asked.get("response_format") or {"type": "text"}
    if shape["type"] == "json_schema":
        given["schema"] = shape["json_schema"]["schema"]
    try:
        return Sampling.of(
            {**given, "json": shape["type"] != "text", **({"max_tokens": most} if most else {})}
        )
    except UsageError as error:
        raise Refused(400, error.what, hint=error.hint) from None


def texts_of(asked: Mapping[str, Any]) -> list[str]:
    """What is to become vectors: one text, or several."""
    given = asked["input"]
    return [given] if isinstance(given, str) else given


def prompts_of(asked: Mapping[str, Any]) -> list[Prompt]:
    """What is to be gone on with: a conversation, a text, or several texts."""
    if "messages" in asked:
        return [_messages(asked)]
    given = asked["prompt"]
    return [given] if isinstance(given, str) else given


def _messages(asked: Mapping[str, Any]) -> list[Message]:
    found = []
    for each in asked["messages"]:
        content = each["content"]
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        role = "system" if each["role"] == "developer" else each["role"]
        found.append(Message(role, text))
    return found


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
