"""What the OpenAPI document says of the addresses that OpenAI's clients know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.serving.endpoints import Deployed
from core.serving.events import EVENTS
from core.serving.openai_answers import CHAT, COMPLETIONS
from core.serving.openai_routes import EMBEDDINGS, TASK

_ADDRESSES = {
    CHAT: ("chat", "ChatRequest", "ChatCompletion", "Answer a conversation."),
    COMPLETIONS: ("complete", "CompletionRequest", "Completion", "Go on with a text."),
    EMBEDDINGS: ("embed", "EmbeddingRequest", "Embeddings", "Make vectors of texts."),
}
"""Of each: the name of the operation, what it takes, what it gives, and a line about it."""


def operations(shown: Sequence[Deployed]) -> dict[str, tuple[str, str, str, str, list[str]]]:
    """Of each address that some of these models answer: operation, request, answer, summary, and
    the names of those models."""
    speaking = [each.name for each in shown if each.task.name == TASK]
    reading = [each.name for each in shown if each.form.medium == "text"]
    able = {CHAT: speaking, COMPLETIONS: speaking, EMBEDDINGS: reading}
    return {path: (*told, able[path]) for path, told in _ADDRESSES.items() if able[path]}


def described(
    told: tuple[str, str, str, str, list[str]], answered: dict[str, Any], problems: dict[str, Any]
) -> dict[str, Any]:
    """One operation of the document."""
    operation, request, answer, summary, names = told
    asked = {"$ref": f"#/components/schemas/{request}"}
    known = {"properties": {"model": {"enum": names}}}
    if answer != "Embeddings":
        answered["content"][EVENTS] = {"schema": {"type": "string"}}
    return {
        "operationId": operation,
        "summary": summary,
        "description": "As OpenAI's clients know it. What is not taken is refused by name.",
        "tags": ["openai"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"allOf": [asked, known]}}},
        },
        "responses": {"200": answered, **problems},
    }
