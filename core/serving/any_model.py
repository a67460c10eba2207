"""What any model takes and gives, which clients for every service are made of."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypeAliasType, TypedDict

from core.serving.answers import answer_of, response_of
from core.serving.arrow import STREAM
from core.serving.bodies import MULTIPART
from core.serving.operations import got, infers, posts_batch, predicts, uploads
from core.serving.replies import JSON
from core.serving.schemas import FILE, ref, schemas_of

_NAMED = (
    {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "Its name, or NAME@VERSION.",
        "schema": {"type": "string"},
    },
)
_CONTENT = {
    JSON: {"schema": ref("PredictRequest")},
    MULTIPART: {"schema": ref("Files")},
    STREAM: {"schema": {**FILE, "description": "An Arrow IPC stream with the columns."}},
}
Cell = str | bool | float | None
Row = TypeAliasType("Row", dict[str, Cell | list[Cell]])
_ANSWERS = (
    answer_of("label", "Label")
    | answer_of("labels", "Labels")
    | answer_of("text", "Text")
    | answer_of("boxes", "Objects")
    | answer_of("forecast", "Forecast")
    | answer_of("number", "Number")
)


class PredictRequest(TypedDict):
    """Rows: columns by name (a file in base64, a series as lists), or a lone column's cells."""

    instances: list[Row | Cell]


def any_model_schemas() -> dict[str, Any]:
    taken = schemas_of({"PredictRequest": TypeAdapter(PredictRequest)}, "validation")
    given = schemas_of({"PredictResponse": response_of("Predict", _ANSWERS)}, "serialization")
    return {"Files": uploads(), **taken, **given}


def any_model_paths() -> dict[str, Any]:
    told, later = "Ask a model.", "Have a model answer many rows when there is time."
    tensors = "`GET /v2/models/NAME` has inputs and outputs."
    described = got("getModel", "What a model takes and gives.", "Model", parameters=_NAMED)
    asked = predicts("predict", told, _CONTENT, "PredictResponse", _NAMED)
    return {
        "/v1/models/{model}": {"get": described},
        "/v1/models/{model}:predict": {"post": asked},
        "/v1/models/{model}:batch": {"post": posts_batch("postBatch", later, _CONTENT, _NAMED)},
        "/v2/models/{model}/infer": {"post": infers("infer", told, tensors, _NAMED)},
    }
