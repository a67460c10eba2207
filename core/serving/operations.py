"""What can be asked of a service, as the OpenAPI document says it: one way for a model that is
served and for any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.serving.batch_routes import LINES
from core.serving.bodies import BYTES
from core.serving.inference_routes import HEADER
from core.serving.predict_routes import VERSION
from core.serving.problems import PROBLEM
from core.serving.replies import JSON
from core.serving.schemas import FILE, ref

_REFUSED = {
    "400": "The request cannot be read.",
    "401": "There is no key, or a wrong or expired one.",
    "403": "The key is not for this.",
    "404": "There is no such model.",
    "405": "The address takes other methods.",
    "408": "The request did not come in time.",
    "409": "The batch is not finished, or has failed.",
    "413": "The body, or its number of rows, is too large.",
    "415": "This type of body is not taken.",
    "421": "The service is not known by this name.",
    "422": "The request is not of the form that the model takes; `rows` says where.",
    "429": "Too many requests; `Retry-After` says when to ask again.",
    "431": "The request's headers are too large.",
    "500": "The service failed.",
    "503": "The engine is not there; `Retry-After` says when to ask again.",
    "504": "The time for an answer is over.",
}
_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "required": False,
    "description": "Seconds that the answer may take; it can only lower the service's own bound.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_ALWAYS = ("405", "408", "421", "429", "431", "500", "503")
"""What may become of a request that asks for no model."""


def health_paths() -> dict[str, Any]:
    told = {
        "livez": "The service runs. It does not say that a model can be asked.",
        "readyz": "Every model is in memory.",
        "healthz": "As /readyz.",
    }
    return {
        f"/{name}": {"get": got(name, summary, "Health", tag="health", refused=_ALWAYS)}
        for name, summary in told.items()
    }


def predicts(
    name: str, told: str, content: dict[str, Any], response: str, parameters: Sequence[Any] = ()
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": told,
        "tags": ["predict"],
        "parameters": [*parameters, _TIMEOUT],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answered(ref(response), version=True), **problems()},
    }


def infers(name: str, told: str, tensors: str, parameters: Sequence[Any] = ()) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": told,
        "description": f"Open Inference Protocol v2. {tensors} With"
        f" `{HEADER}` and {BYTES}, tensors come and go as bytes behind the JSON.",
        "tags": ["v2"],
        "parameters": [*parameters, _TIMEOUT],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("InferRequest")}}},
        "responses": {"200": answered(ref("InferResponse"), version=True), **problems()},
    }


def posts_batch(
    name: str, told: str, content: dict[str, Any], parameters: Sequence[Any] = ()
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": told,
        "tags": ["batches"],
        "parameters": list(parameters),
        "requestBody": {"required": True, "content": content},
        "responses": {"202": answered(ref("Batch")), **problems()},
    }


def batch_paths() -> dict[str, Any]:
    """Polling, fetching and removing jobs."""
    lines = {"description": "An answer a line.", "content": {LINES: {"schema": FILE}}}
    refused = problems()
    listed = got("listBatches", "The batches of this key.", "BatchList", tag="batches")
    one = got("getBatch", "How far a batch is.", "Batch", tag="batches", parameters=[_ID])
    fetch = {
        "operationId": "getBatchResults",
        "summary": "The answers of a finished batch, a JSON object a line.",
        "tags": ["batches"],
        "parameters": [_ID],
        "responses": {"200": lines, **refused},
    }
    remove = {
        "operationId": "removeBatch",
        "summary": "Stop a batch and forget it.",
        "tags": ["batches"],
        "parameters": [_ID],
        "responses": {"204": {"description": "It is gone."}, **refused},
    }
    return {
        "/v1/batches": {"get": listed},
        "/v1/batches/{id}": {"get": one, "delete": remove},
        "/v1/batches/{id}/results": {"get": fetch},
    }


def got(
    name: str,
    summary: str,
    schema: str,
    *,
    tag: str = "models",
    parameters: Sequence[Any] = (),
    refused: Sequence[str] = tuple(_REFUSED),
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {"200": answered(ref(schema)), **problems(*refused)},
    }


def uploads(most: int | None = None) -> dict[str, Any]:
    """A form with files, each a row; at most so many, where the service is known."""
    files: dict[str, Any] = {"type": "array", "items": FILE, "minItems": 1}
    if most is not None:
        files["maxItems"] = most
    return {
        "type": "object",
        "properties": {"file": files},
        "required": ["file"],
        "additionalProperties": False,
    }


def answered(schema: dict[str, Any], *, version: bool = False) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    if version:
        headers[VERSION] = {"schema": {"type": "string"}}
    return {
        "description": "The answer.",
        "headers": headers,
        "content": {JSON: {"schema": schema}},
    }


def problems(*statuses: str) -> dict[str, Any]:
    """What may become of a request instead; without a status, all that can."""
    return {
        status: {
            "description": _REFUSED[status],
            "content": {PROBLEM: {"schema": ref("Problem")}},
        }
        for status in statuses or _REFUSED
    }
