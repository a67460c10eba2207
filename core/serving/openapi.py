"""The OpenAPI document: what each model that is served really takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from starlette.routing import BaseRoute

from core.serving.arrow import STREAM
from core.serving.batch_routes import LINES, batch_form
from core.serving.bodies import BYTES, MULTIPART, accepted, raw_types
from core.serving.endpoints import Deployed, Endpoints
from core.serving.forms import Form
from core.serving.inference_routes import HEADER, InferRequest, InferResponse
from core.serving.keys import Key
from core.serving.openai_document import described, operations
from core.serving.openai_forms import ANSWERS, REQUESTS
from core.serving.predict_routes import VERSION
from core.serving.problems import PROBLEM
from core.serving.replies import JSON
from core.serving.settings import Settings
from core.serving.tensors import inputs_of, outputs_of

_REF = "#/components/schemas/{model}"
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
_FILE = {"type": "string", "format": "binary"}


class RowProblem(BaseModel):
    """What is wrong with one row."""

    row: int
    detail: str
    column: str | None = None


class OpenAIError(BaseModel):
    """The part of a problem that OpenAI's clients look for."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """Why there is no answer (RFC 9457). Under /v2, `error` is the sentence in `detail`."""

    type: str
    title: str
    status: int
    detail: str
    where: str
    hint: str
    request_id: str
    rows: list[RowProblem]
    error: OpenAIError | str


class Model(BaseModel):
    """A model that is served: `takes` says what each column holds."""

    id: str
    object: str
    created: int
    owned_by: str
    task: str
    version: int | None
    versions: list[int]
    takes: dict[str, str]
    gives: str
    labels: list[str]
    accepts: list[str]


class ModelList(BaseModel):
    object: str
    data: list[Model]


class Batch(BaseModel):
    """A batch job: queued, running, finished or failed; `done` of its `rows` are answered."""

    object: str
    id: str
    model: str
    version: int | None
    rows: int
    created: float
    status: str
    done: int
    failed: int
    error: str


class BatchList(BaseModel):
    object: str
    data: list[Batch]


_SHARED: dict[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each)
    for each in (Problem, Model, ModelList, Batch, BatchList, InferRequest, InferResponse)
}


class Documents:
    """The document of a service, made again when a version with another form takes over."""

    def __init__(
        self, settings: Settings, endpoints: Endpoints, routes: Sequence[BaseRoute]
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._routes = routes
        self._made: dict[tuple[Any, ...], bytes] = {}

    def json(self, key: Key | None) -> bytes:
        """With the models that the key is for."""
        shown = [
            self._endpoints.current(name)
            for name in self._endpoints.names()
            if key is None or key.may("infer", name)
        ]
        which = (self._endpoints.generation, *(each.name for each in shown))
        if which not in self._made:
            self._made = {which: to_json(self._document(shown))}
        return self._made[which]

    def _document(self, shown: Sequence[Deployed]) -> dict[str, Any]:
        document = get_openapi(
            title="Lepton",
            version=version("lepton-tui"),
            summary="Trained models, to be asked.",
            routes=self._routes,
        )
        for path in document["paths"].values():
            for each in path.values():
                each["responses"] |= _problems("405", "408", "421", "429", "431", "500", "503")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= _schemas(_SHARED, "serialization")
        schemas |= _schemas({"InferRequest": _SHARED["InferRequest"]}, "validation")
        paths = document["paths"]
        paths["/v1/models"] = {"get": _got("listModels", "The models served.", "ModelList")}
        paths |= _batches()
        for path, speaks in operations(shown).items():
            _, request, answer, *_ = speaks
            schemas |= _schemas({request: REQUESTS[request]}, "validation")
            schemas |= _schemas({answer: ANSWERS[answer]}, "serialization")
            paths[path] = {"post": described(speaks, _answered(_ref(answer)), _problems(*_REFUSED))}
        for each in shown:
            name, form = each.name, each.form
            schemas |= _schemas({f"{form.name}Request": form.request}, "validation")
            schemas |= _schemas(
                {f"{form.name}BatchRequest": batch_form(form).request}, "validation"
            )
            schemas |= _schemas({f"{form.name}Response": form.response}, "serialization")
            told = f"Ask {name}: {each.task.summary}."
            paths[f"/v1/models/{name}"] = {
                "get": _got(f"get{form.name}", f"What {name} takes and gives.", "Model")
            }
            paths[f"/v1/models/{name}:predict"] = {"post": _predicts(each, told)}
            paths[f"/v1/models/{name}:batch"] = {"post": _posts_batch(each)}
            paths[f"/v2/models/{name}/infer"] = {"post": _infers(each, told)}
        if self._settings.keys:
            document["components"]["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            for path, methods in paths.items():
                if path not in ("/livez", "/readyz", "/healthz"):
                    for each in methods.values():
                        each["security"] = [{"bearer": []}, {"apiKey": []}]
        return document


def _schemas(adapters: dict[str, TypeAdapter[Any]], mode: Any) -> dict[str, Any]:
    """The schemas of types and of what they are made of, by name."""
    found, shared = TypeAdapter.json_schemas(
        [(name, mode, adapter) for name, adapter in adapters.items()], ref_template=_REF
    )
    made = dict(shared.get("$defs", {}))
    for (name, _), schema in found.items():
        if schema.get("$ref") != _REF.format(model=name):
            made[str(name)] = schema
    return made


def _content(form: Form) -> dict[str, Any]:
    """The bodies that hold a model's rows."""
    content: dict[str, Any] = {
        JSON: {"schema": _ref(f"{form.name}Request")},
        STREAM: {"schema": {**_FILE, "description": "An Arrow IPC stream with the columns."}},
    }
    if MULTIPART in accepted(form):
        files = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": form.limits.rows}
        content[MULTIPART] = {
            "schema": {
                "type": "object",
                "properties": {"file": files},
                "required": ["file"],
                "additionalProperties": False,
            },
            "encoding": {"file": {"contentType": ", ".join(raw_types(form))}},
        }
    for kind in raw_types(form):
        content[kind] = {"schema": {"type": "string"} if form.medium == "text" else _FILE}
    return content


def _predicts(model: Deployed, told: str) -> dict[str, Any]:
    form = model.form
    return {
        "operationId": f"predict{form.name}",
        "summary": told,
        "tags": ["predict"],
        "parameters": [_TIMEOUT],
        "requestBody": {"required": True, "content": _content(form)},
        "responses": {
            "200": _answered(_ref(f"{form.name}Response"), version=True),
            **_problems(*_REFUSED),
        },
    }


def _infers(model: Deployed, told: str) -> dict[str, Any]:
    form = model.form
    takes = "; ".join(f"{e['name']} {e['datatype']} {e['shape']}" for e in inputs_of(form))
    gives = "; ".join(f"{e['name']} {e['datatype']} {e['shape']}" for e in outputs_of(form))
    return {
        "operationId": f"infer{form.name}",
        "summary": told,
        "description": f"Open Inference Protocol v2. Inputs: {takes}. Outputs: {gives}. With"
        f" `{HEADER}` and {BYTES}, tensors come and go as bytes behind the JSON.",
        "tags": ["v2"],
        "parameters": [_TIMEOUT],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": _ref("InferRequest")}},
        },
        "responses": {
            "200": _answered(_ref("InferResponse"), version=True),
            **_problems(*_REFUSED),
        },
    }


def _posts_batch(model: Deployed) -> dict[str, Any]:
    form = model.form
    return {
        "operationId": f"batch{form.name}",
        "summary": f"Have {model.name} answer many rows when there is time.",
        "tags": ["batches"],
        "requestBody": {"required": True, "content": _content(batch_form(form))},
        "responses": {"202": _answered(_ref("Batch")), **_problems(*_REFUSED)},
    }


def _batches() -> dict[str, Any]:
    """Polling, fetching and removing jobs."""
    one = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    lines = {"description": "An answer a line.", "content": {LINES: {"schema": _FILE}}}
    refused = _problems(*_REFUSED)
    fetch = {
        "operationId": "getBatchResults",
        "summary": "The answers of a finished batch, a JSON object a line.",
        "tags": ["batches"],
        "parameters": [one],
        "responses": {"200": lines, **refused},
    }
    remove = {
        "operationId": "removeBatch",
        "summary": "Stop a batch and forget it.",
        "tags": ["batches"],
        "parameters": [one],
        "responses": {"204": {"description": "It is gone."}, **refused},
    }
    get = _got("getBatch", "How far a batch is.", "Batch") | {"parameters": [one]}
    return {
        "/v1/batches": {"get": _got("listBatches", "The batches of this key.", "BatchList")},
        "/v1/batches/{id}": {"get": get, "delete": remove},
        "/v1/batches/{id}/results": {"get": fetch},
    }


def _got(operation: str, summary: str, schema: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["models"],
        "responses": {"200": _answered(_ref(schema)), **_problems(*_REFUSED)},
    }


def _answered(schema: dict[str, Any], *, version: bool = False) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    if version:
        headers[VERSION] = {"schema": {"type": "string"}}
    return {
        "description": "The answer.",
        "headers": headers,
        "content": {JSON: {"schema": schema}},
    }


def _problems(*statuses: str) -> dict[str, Any]:
    return {
        status: {
            "description": _REFUSED[status],
            "content": {PROBLEM: {"schema": _ref("Problem")}},
        }
        for status in statuses
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(model=name)}


_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "required": False,
    "description": "Seconds that the answer may take; it can only lower the service's own bound.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
