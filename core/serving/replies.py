"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

JSON = "application/json"


def in_json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The document; what is no number is null in it."""
    return Response(to_json(document, inf_nan_mode="null"), status, headers, media_type=JSON)
