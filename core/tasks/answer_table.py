"""Answers as columns of a table, by what a task gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PREDICTION, SCORE, SCORES = "prediction", "score", "scores"


def schema_of(gives: str, labels: Sequence[str]) -> pa.Schema:
    """The columns of an answer; "scores" is a struct with a field for each label.

    Boxes are a list of what the lake keeps of an object: its label and its bbox, x, y, width and
    height in pixels.
    """
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    scores = (SCORES, pa.struct([(label, number) for label in labels]))
    box = pa.struct([("label", text), (SCORE, number), ("bbox", pa.list_(number))])
    kinds: dict[str, list[tuple[str, Any]]] = {
        "label": [(PREDICTION, text), (SCORE, number), scores],
        "labels": [(PREDICTION, pa.list_(text)), scores],
        "number": [(PREDICTION, number)],
        "text": [(PREDICTION, text)],
        "boxes": [(PREDICTION, pa.list_(box))],
    }
    return pa.schema(kinds[gives])


def row_of(gives: str, answer: Any) -> dict[str, Any]:
    """An answer, as `Task.answers` has it, by column."""
    if gives == "number":
        return {PREDICTION: answer}
    if gives == "boxes":
        return {PREDICTION: [_box(each) for each in answer["boxes"]]}
    named = {"label": "label", "labels": "labels", "text": "text"}[gives]
    return {PREDICTION: answer[named], SCORE: answer.get(SCORE), SCORES: answer.get(SCORES)}


def with_scores(schema: pa.Schema, told: Sequence[pa.Array], chances: np.ndarray[Any, Any]) -> Any:
    """The table of columns that are there already and of probabilities, float64 [n, labels]."""
    import numpy as np
    import pyarrow as pa

    kind = schema.field(SCORES).type
    each = [pa.array(np.ascontiguousarray(chances[:, at])) for at in range(kind.num_fields)]
    scores = pa.StructArray.from_arrays(each, fields=list(kind))
    return pa.Table.from_arrays([*told, scores], schema=schema)


def _box(found: Mapping[str, Any]) -> dict[str, Any]:
    left, top, right, bottom = found["box"]
    size = [round(right - left, 2), round(bottom - top, 2)]
    return {"label": found["label"], SCORE: found[SCORE], "bbox": [left, top, *size]}
