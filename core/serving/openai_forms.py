"""What OpenAI's clients send to have texts made, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, StrictBool, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from core.errors import UsageError, meant
from core.generation.chat import Message, Prompt
from core.generation.sampling import (
    MOST_BIAS,
    MOST_BIASES,
    MOST_LIKELIEST,
    MOST_SEED,
    MOST_STOP_LETTERS,
    Sampling,
)
from core.serving.problems import Refused

MOST_ANSWERS = 8
MOST_MESSAGES = 1000
MOST_TEXTS = 256
MOST_PROMPTS = 32
_CLOSED = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
_Text = Annotated[str, Field(max_length=1_000_000)]
_Stop = Annotated[str, Field(min_length=1, max_length=MOST_STOP_LETTERS)]
_NoNote = Annotated[dict[str, str], Field(max_length=0)]
_Penalty = Annotated[float, Field(ge=-2, le=2)]
_Empty = Annotated[list[Any], Field(max_length=0)]
_Number = Annotated[str, Field(pattern="^[0-9]{1,7}$")]
_Bias = Annotated[
    dict[_Number, Annotated[float, Field(ge=-MOST_BIAS, le=MOST_BIAS)]],
    Field(max_length=MOST_BIASES),
]

_LEAVE = "Leave it out."
_NOT_BUILT: Mapping[str, tuple[str, str]] = {
    "tools": ("models call no tools here", _LEAVE),
    "tool_choice": ("models call no tools here", _LEAVE),
    "functions": ("models call no functions here", _LEAVE),
    "function_call": ("models call no functions here", _LEAVE),
    "suffix": ("models go on with texts here, and fill in none", _LEAVE),
    "modalities": ("models answer with texts alone", _LEAVE),
    "service_tier": ("all requests are worked on alike", _LEAVE),
    "store": ("answers are not kept here", _LEAVE),
    "metadata": ("answers are not kept here, and no notes on them", _LEAVE),
    "messages.name": ("models are not told names here", "Write who speaks into the content."),
    "stream_options.include_obfuscation": ("a stream is not filled up here", _LEAVE),
}
"""What OpenAI's API has and this one does not: why, and what to do. A value that asks for nothing
is taken, since clients send those too."""
_HINTS: Mapping[str, str] = {
    "prompt": "Send a text, or a list of texts; tokens by their numbers are not taken.",
    "input": "Send a text, or a list of texts; tokens by their numbers are not taken.",
    "stop": "Send a text, or up to four.",
    "messages.role": "Models call no tools here, so nothing comes back from one.",
    "messages.content": "Send a text, or a list of parts of text; models see no images here.",
    "messages.content.type": "Models see and hear nothing here: send parts of text alone.",
    "messages.tool_calls": "Models call no tools here: leave it out.",
    "logit_bias": "Name tokens by their numbers in the model's tokenizer, as 42.",
}
"""What to do about a value that cannot be, where its fault does not say it."""


@_CLOSED
class TextPart(TypedDict):
    type: Literal["text"]
    text: _Text


@_CLOSED
class ChatMessage(TypedDict):
    """What one side said. "developer" is another name for "system"."""

    role: Literal["system", "developer", "user", "assistant"]
    content: _Text | Annotated[list[TextPart], Field(min_length=1, max_length=100)]
    # What an answer has too: a client gives it back as it was told it.
    refusal: NotRequired[None]
    tool_calls: NotRequired[_Empty | None]
    function_call: NotRequired[None]
    audio: NotRequired[None]
    annotations: NotRequired[_Empty | None]


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
    include_obfuscation: NotRequired[Literal[False]]


class _Common(TypedDict):
    """What both ways to ask have. `top_k`, `min_p` and `repetition_penalty` are beside OpenAI's;
    `user` changes nothing, and nobody is told of it."""

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
    presence_penalty: NotRequired[_Penalty | None]
    frequency_penalty: NotRequired[_Penalty | None]
    logit_bias: NotRequired[_Bias | None]
    user: NotRequired[Annotated[str, Field(max_length=256)]]


@_CLOSED
class ChatRequest(_Common):
    """A conversation to be answered."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: NotRequired[Annotated[int, Field(ge=1, le=1 << 20)] | None]
    response_format: NotRequired[AnyText | AnyJson | JsonOfSchema | None]
    logprobs: NotRequired[StrictBool | None]
    top_logprobs: NotRequired[Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None]
    tools: NotRequired[_Empty | None]
    tool_choice: NotRequired[Literal["none", "auto"] | None]
    parallel_tool_calls: NotRequired[StrictBool | None]
    modalities: NotRequired[list[Literal["text"]] | None]
    service_tier: NotRequired[Literal["auto", "default"] | None]
    store: NotRequired[Literal[False] | None]
    metadata: NotRequired[_NoNote | None]


@_CLOSED
class CompletionRequest(_Common):
    """A text to be gone on with, or several."""

    prompt: _Text | Annotated[list[_Text], Field(min_length=1, max_length=MOST_PROMPTS)]
    # 0 asks for nothing but how likely the prompt is, which is echoed.
    max_tokens: NotRequired[Annotated[int, Field(ge=0, le=1 << 20)] | None]
    echo: NotRequired[StrictBool | None]
    logprobs: NotRequired[Annotated[int, Field(ge=0, le=5)] | None]
    suffix: NotRequired[Literal[""] | None]
    best_of: NotRequired[Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None]


@_CLOSED
class EmbeddingRequest(TypedDict):
    """Texts that are to become vectors."""

    model: str
    input: _Text | Annotated[list[_Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: NotRequired[Literal["float", "base64"]]
    user: NotRequired[str]


REQUESTS: Mapping[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each) for each in (ChatRequest, CompletionRequest, EmbeddingRequest)
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
    for name, (clashes, why, hint) in _CLASHES.items():
        if clashes(found):
            raise Refused(400, f"{name}: {why}", where=name, hint=hint)
    return found


_CLASHES: Mapping[str, tuple[Callable[[Mapping[str, Any]], bool], str, str]] = {
    "stream_options": (
        lambda asked: bool(asked.get("stream_options")) and not asked.get("stream"),
        "it is about a stream, and none is asked for",
        "Set stream to true, or leave it out.",
    ),
    "top_logprobs": (
        lambda asked: asked.get("top_logprobs") is not None and not asked.get("logprobs"),
        "it goes with logprobs alone",
        "Set logprobs to true, or leave it out.",
    ),
    "max_tokens": (
        lambda asked: (
            None not in (most := [asked.get("max_tokens"), asked.get("max_completion_tokens")])
            and most[0] != most[1]
        ),
        "max_completion_tokens says another number",
        "Send one of the two.",
    ),
    "best_of": (
        lambda asked: (asked.get("best_of") or MOST_ANSWERS) < (asked.get("n") or 1),
        "it is less than n, and so many are to be chosen from them",
        "Ask for n of them or more.",
    ),
    "stream": (
        lambda asked: bool(asked.get("stream")) and (asked.get("best_of") or 1) > 1,
        "the best are known when all have come",
        "Leave stream or best_of out.",
    ),
}
"""Parameters that cannot be what they are because of another one: when, why, and what to do."""


def _refused(form: str, error: ValidationError) -> Refused:
    """The first parameter that is wrong, and why."""
    found = [(_steps(each), each) for each in error.errors(include_url=False, include_input=False)]
    # Of what may be one thing or another, that which says most precisely what is wrong.
    begun = found[0][0]
    steps, worst = max(
        (each for each in found if each[0][: len(begun)] == begun),
        key=lambda each: (len(each[0]), not each[1]["type"].endswith("_type")),
    )
    where = ".".join(map(str, steps))[:80]
    for name in (str(steps[0]) if steps else "", ".".join(e for e in steps if isinstance(e, str))):
        if name in _NOT_BUILT:
            why, hint = _NOT_BUILT[name]
            return Refused(400, f"{name}: {why}", where=where, hint=hint)
    if worst["type"] == "extra_forbidden":
        known = REQUESTS[form].json_schema()["properties"] if len(steps) == 1 else ()
        hint = meant(steps[-1][:80], known) or _LEAVE
        return Refused(400, f"{where}: is not taken here", where=where, hint=hint)
    hint = _HINTS.get(name) or _HINTS.get(str(steps[0]) if steps else "", "")
    return Refused(400, f"{where or 'the body'}: {worst['msg']}", where=where, hint=hint)


def _steps(error: Any) -> list[Any]:
    """The way to a value; without the names that pydantic has for the kinds it may be."""
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        return [*_steps({"loc": loc[:-1], "type": ""}), loc[-1]]
    return [
        each for each in loc if isinstance(each, int) or (each.isidentifier() and each.islower())
    ]


_SETTINGS = (
    *("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed", "stop"),
    *("presence_penalty", "frequency_penalty", "logit_bias"),
)
"""What has the same name here as there."""


def sampling_of(asked: Mapping[str, Any]) -> Sampling:
    """The settings of a request.

    Raises:
        Refused: they cannot be.
    """
    given = {name: asked[name] for name in _SETTINGS if asked.get(name) is not None}
    if "messages" in asked:
        given["logprobs"] = (asked.get("top_logprobs") or 0) if asked.get("logprobs") else None
    else:
        given["logprobs"], given["echo"] = asked.get("logprobs"), asked.get("echo")
        if given["logprobs"] is None and (asked.get("best_of") or 1) > 1:
            # They say which are the best.
            given["logprobs"] = 0
    most = asked.get("max_completion_tokens") or asked.get("max_tokens")
    if most is None:
        most = Sampling.max_tokens
    shape = asked.get("response_format") or {"type": "text"}
    if shape["type"] == "json_schema":
        given["schema"] = shape["json_schema"]["schema"]
    try:
        return Sampling.of({**given, "json": shape["type"] != "text", "max_tokens": most})
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
