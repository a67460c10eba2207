"""The OpenAPI document: what each model that is served really takes and gives.

Clients for any service are made of a document of their own, in which a model's name is a parameter
(`any_service`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json

from core.serving.any_model import any_model_paths, any_model_schemas
from core.serving.arrow import STREAM
from core.serving.batch_routes import batch_form
from core.serving.bodies import MULTIPART, accepted, raw_types
from core.serving.endpoints import Deployed, Endpoints
from core.serving.forms import Form
from core.serving.health_routes import Health
from core.serving.inference_routes import InferRequest, InferResponse
from core.serving.keys import Key
from core.serving.openai_document import any_openai_paths, openai_paths, openai_schemas
from core.serving.operations import (
    batch_paths,
    got,
    health_paths,
    infers,
    posts_batch,
    predicts,
    uploads,
)
from core.serving.replies import JSON
from core.serving.schemas import (
    FILE,
    Batch,
    BatchList,
    Model,
    ModelList,
    Problem,
    ref,
    schemas_of,
)
from core.serving.settings import Settings
from core.serving.tensors import inputs_of, outputs_of

_SHARED: dict[str, TypeAdapter[Any]] = {
    each.__name__: TypeAdapter(each)
    for each in (Health, Problem, Model, ModelList, Batch, BatchList, InferRequest, InferResponse)
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_WITH_KEY: list[dict[str, list[str]]] = [{each: []} for each in _SCHEMES]


class Documents:
    """The document of a service, made again when a version with another form takes over."""

    def __init__(self, settings: Settings, endpoints: Endpoints) -> None:
        self._settings = settings
        self._endpoints = endpoints
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
        document = _shared()
        for each in shown:
            document["components"]["schemas"] |= _schemas_of(each.form)
            document["paths"] |= _paths_of(each)
        if paths := openai_paths(shown):
            document["components"]["schemas"] |= openai_schemas()
            document["paths"] |= paths
        if self._settings.keys:
            document["components"]["securitySchemes"] = _SCHEMES
            for path, methods in document["paths"].items():
                if path not in health_paths():
                    for each in methods.values():
                        each["security"] = _WITH_KEY
        return document


def any_service() -> bytes:
    """The document of any service, whatever its models, with a key or without."""
    document = _shared()
    document["components"]["schemas"] |= any_model_schemas() | openai_schemas()
    document["paths"] |= any_model_paths() | any_openai_paths()
    document["components"]["securitySchemes"] = _SCHEMES
    document["security"] = [{}, *_WITH_KEY]
    return to_json(document)


def _shared() -> dict[str, Any]:
    """What no model has to be known for."""
    schemas = schemas_of(_SHARED, "serialization")
    schemas |= schemas_of({"InferRequest": _SHARED["InferRequest"]}, "validation")
    listed = got("listModels", "The models served.", "ModelList")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lepton",
            "summary": "Trained models, to be asked.",
            "version": version("lepton-tui"),
        },
        "paths": {**health_paths(), "/v1/models": {"get": listed}, **batch_paths()},
        "components": {"schemas": schemas},
    }


def _schemas_of(form: Form) -> dict[str, Any]:
    taken = {
        f"{form.name}Request": form.request,
        f"{form.name}BatchRequest": batch_form(form).request,
    }
    given = {f"{form.name}Response": form.response}
    return schemas_of(taken, "validation") | schemas_of(given, "serialization")


def _paths_of(model: Deployed) -> dict[str, Any]:
    name, form = model.name, model.form
    told = f"Ask {name}: {model.task.summary}."
    later = f"Have {name} answer many rows when there is time."
    return {
        f"/v1/models/{name}": {
            "get": got(f"get{form.name}", f"What {name} takes and gives.", "Model")
        },
        f"/v1/models/{name}:predict": {
            "post": predicts(f"predict{form.name}", told, _content(form), f"{form.name}Response")
        },
        f"/v1/models/{name}:batch": {
            "post": posts_batch(f"batch{form.name}", later, _content(batch_form(form)))
        },
        f"/v2/models/{name}/infer": {"post": infers(f"infer{form.name}", told, _tensors(form))},
    }


def _content(form: Form) -> dict[str, Any]:
    """The bodies that hold a model's rows."""
    content: dict[str, Any] = {
        JSON: {"schema": ref(f"{form.name}Request")},
        STREAM: {"schema": {**FILE, "description": "An Arrow IPC stream with the columns."}},
    }
    if MULTIPART in accepted(form):
        content[MULTIPART] = {
            "schema": uploads(form.limits.rows),
            "encoding": {"file": {"contentType": ", ".join(raw_types(form))}},
        }
    for kind in raw_types(form):
        content[kind] = {"schema": {"type": "string"} if form.medium == "text" else FILE}
    return content


def _tensors(form: Form) -> str:
    takes = "; ".join(f"{e['name']} {e['datatype']} {e['shape']}" for e in inputs_of(form))
    gives = "; ".join(f"{e['name']} {e['datatype']} {e['shape']}" for e in outputs_of(form))
    return f"Inputs: {takes}. Outputs: {gives}."
