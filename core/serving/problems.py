"""What a client hears when it gets no answer: a status and a problem document (RFC 9457).

The document is the same for whatever went wrong, so a client needs one model of it. Its member
`error` is what the two families of clients look for: an object under `/v1`, as OpenAI's have it, a
sentence under `/v2`, as the Open Inference Protocol has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from core.errors import LeptonError, UsageError
from core.inference.faults import Busy, EngineEnded

PROBLEM = "application/problem+json"
CLIENT_LEFT = 499
"""As nginx writes it into its log; nobody hears it."""
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Refused(LeptonError):  # noqa: N818 - it is an answer
    """A request that is not done: its `status`, and perhaps `rows`, what is wrong with which."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        rows: Sequence[Mapping[str, Any]] = (),
        code: str = "",
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code
        """What OpenAI's clients know it by; empty: the status in words."""
        self.status = status
        self.headers = dict(headers or {})
        self.rows = list(rows)


def refusal(error: LeptonError) -> Refused:
    """The error as a client hears it. No path of this machine is in it."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused(429, error.what, hint=error.hint, headers=retry_after(error.seconds))
    if isinstance(error, EngineEnded):
        hint = "It starts anew: ask again."
        return Refused(
            503, "the engine ended while it was at work", hint=hint, headers=retry_after(2)
        )
    if isinstance(error, UsageError):
        return Refused(404, error.what)
    return Refused(500, "the model cannot answer", hint="The service's log says why.")


def retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(seconds)))}


def document(error: Refused, path: str, request_id: str = "") -> dict[str, Any]:
    """The problem's members."""
    left = error.status == CLIENT_LEFT
    phrase = "Client Closed Request" if left else HTTPStatus(error.status).phrase
    kind = _OPENAI_TYPES.get(error.status)
    kind = kind or ("invalid_request_error" if error.status < 500 else "server_error")
    code = error.code or phrase.lower().replace(" ", "_").replace("-", "_")
    # OpenAI's clients show this and nothing else.
    message = ". ".join(part for part in (error.what, error.hint) if part)
    said: Any = {"message": message, "type": kind, "param": error.where or None, "code": code}
    return {
        "type": "about:blank",
        "title": phrase,
        "status": error.status,
        "detail": error.what,
        "where": error.where,
        "hint": error.hint,
        "request_id": request_id,
        "rows": error.rows,
        "error": error.what if path.startswith("/v2") else said,
    }


def response(error: Refused, path: str, request_id: str = "") -> Response:
    body = to_json(document(error, path, request_id), inf_nan_mode="null")
    headers = {**error.headers, "Cache-Control": "no-store"}
    return Response(body, error.status, headers, media_type=PROBLEM)
