"""The types of the OpenAPI document that do not depend on a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

_REF = "#/components/schemas/{model}"
FILE = {"type": "string", "format": "binary"}
"""Bytes. By this `format` generators of clients know an upload."""


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


def schemas_of(
    adapters: Mapping[str, TypeAdapter[Any]], mode: Literal["validation", "serialization"]
) -> dict[str, Any]:
    """The schemas of types, as they are taken or given, and of what they are made of, by name."""
    found, shared = TypeAdapter.json_schemas(
        [(name, mode, adapter) for name, adapter in adapters.items()], ref_template=_REF
    )
    made = dict(shared.get("$defs", {}))
    for (name, _), schema in found.items():
        if schema.get("$ref") != _REF.format(model=name):
            made[str(name)] = schema
    return made


def ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(model=name)}
