"""The types of what models answer over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict


def answer_of(gives: str, name: str, labels: Sequence[str] = ()) -> Any:
    """The type of one answer of a task that `gives` this; `name` begins the names of its types."""
    if gives == "number":
        return float
    label = Literal[tuple(labels)] if labels else str
    chance = Annotated[float, Field(ge=0, le=1)]
    box = Annotated[list[float], Field(min_length=4, max_length=4)]
    boxed = {"label": label, "score": chance, "box": box}
    kinds: dict[str, dict[str, Any]] = {
        "label": {"label": label, "score": chance, "scores": dict[str, chance]},
        "labels": {"labels": list[label], "scores": dict[str, chance]},  # type: ignore[valid-type]
        "text": {"text": str},
        "boxes": {"boxes": list[_mapping(f"{name}Box", boxed)]},  # type: ignore[misc]
        "forecast": {"values": list[float], "times": list[str]},
    }
    return _mapping(f"{name}Answer", kinds[gives])


def response_of(name: str, answer: Any) -> TypeAdapter[Any]:
    """`{"model", "version", "predictions": [answer or null, …], "errors": […]}`."""
    fault = _mapping("RowError", {"row": int, "detail": str, "column": NotRequired[str]})
    fields = {
        "model": str,
        "version": int | None,
        "predictions": list[answer | None],
        "errors": list[fault],  # type: ignore[valid-type]
    }
    return TypeAdapter(_mapping(f"{name}Response", fields))


def _mapping(name: str, fields: Mapping[str, Any]) -> Any:
    return TypedDict(name, dict(fields))  # type: ignore[operator]
