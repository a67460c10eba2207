"""What the OpenAPI document says of the addresses that OpenAI's clients know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.serving.endpoints import Deployed
from core.serving.events import EVENTS
from core.serving.openai_answers import CHAT, COMPLETIONS
from core.serving.openai_forms import REQUESTS
from core.serving.openai_routes import EMBEDDINGS
from core.serving.openai_shapes import ANSWERS
from core.serving.operations import answered, problems
from core.serving.replies import JSON
from core.serving.schemas import ref, schemas_of


class _Operation(NamedTuple):
    name: str
    request: str
    answer: str
    told: str
    streams: bool


_ADDRESSES = {
    CHAT: _Operation("chat", "ChatRequest", "ChatCompletion", "Answer a conversation.", True),
    COMPLETIONS: _Operation(
        "complete", "CompletionRequest", "Completion", "Go on with a text.", True
    ),
    EMBEDDINGS: _Operation(
        "embed", "EmbeddingRequest", "Embeddings", "Make vectors of texts.", False
    ),
}

_EVENT = {
    "type": "object",
    "description": "`data` is a part of the answer in JSON, or [DONE] after the last of them.",
    "properties": {"data": {"type": "string"}},
    "required": ["data"],
}


def openai_paths(shown: Sequence[Deployed]) -> dict[str, Any]:
    """The addresses that some of these models answer, with the names of those models."""
    speaking = [each.name for each in shown if each.task.talks]
    reading = [each.name for each in shown if each.form.medium == "text"]
    able = {CHAT: speaking, COMPLETIONS: speaking, EMBEDDINGS: reading}
    return {
        path: _path(of, {"properties": {"model": {"enum": able[path]}}})
        for path, of in _ADDRESSES.items()
        if able[path]
    }


def any_openai_paths() -> dict[str, Any]:
    """All of them, for models of whatever name."""
    return {path: _path(of) for path, of in _ADDRESSES.items()}


def openai_schemas() -> dict[str, Any]:
    return schemas_of(REQUESTS, "validation") | schemas_of(ANSWERS, "serialization")


def _path(of: _Operation, known: dict[str, Any] | None = None) -> dict[str, Any]:
    asked = ref(of.request)
    told = answered(ref(of.answer))
    if of.streams:
        told["content"][EVENTS] = {"schema": _EVENT}
    operation = {
        "operationId": of.name,
        "summary": of.told,
        "description": "As OpenAI's clients know it. What is not taken is refused by name.",
        "tags": ["openai"],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"allOf": [asked, known]} if known else asked}},
        },
        "responses": {"200": told, **problems()},
    }
    return {"post": operation}
