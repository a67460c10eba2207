"""A request's body, in whatever form it comes, as rows."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.inference.messages import Row
from core.serving.arrow import STREAM, arrow_rows
from core.serving.forms import MEDIA, Form
from core.serving.problems import CLIENT_LEFT, Refused
from core.serving.replies import JSON

MULTIPART = "multipart/form-data"
BYTES = "application/octet-stream"
RAW = {
    "image": ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"),
    "audio": ("audio/wav", "audio/x-wav", "audio/flac", "audio/ogg", "audio/mpeg"),
    "text": ("text/plain",),
}
"""Types that are one file as it is, by what the model reads."""
_MOST_NESTED = 200_000
"""Lists and objects of one body: each takes a hundred bytes, for two that it is written in."""
_FIELD = "file"


async def read_rows(request: Request, form: Form) -> list[Row]:
    """The rows of a request.

    Raises:
        Refused: its type is not taken, or its body is not of the form that the model takes.
    """
    kind = media_type(request)
    if kind == JSON:
        return form.rows(parsed(await body_of(request)))
    if kind == STREAM:
        return form.rows({"instances": arrow_rows(await body_of(request), form.limits)})
    if kind == MULTIPART and form.medium in MEDIA:
        return form.files(await _uploads(request, form))
    if form.medium and (kind in raw_types(form) or kind.startswith(f"{form.medium}/")):
        body = await body_of(request)
        if not body and form.medium in MEDIA:
            raise Refused(422, f"the body is empty: send one {form.medium}")
        return form.files([body])
    taken = ", ".join(accepted(form))
    given = f'"{kind[:80]}" is' if kind else "a body without a type is"
    raise Refused(415, f"{given} not taken", where="Content-Type", hint=f"Send one of: {taken}.")


def accepted(form: Form) -> list[str]:
    """The types of bodies that a model takes."""
    return [JSON, STREAM, *([MULTIPART] if form.medium in MEDIA else []), *raw_types(form)]


def raw_types(form: Form) -> list[str]:
    """The types of bodies that are one file as it is."""
    if form.medium is None:
        return []
    return [*RAW[form.medium], *([] if form.medium == "text" else [BYTES])]


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body_of(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Refused(CLIENT_LEFT, "the client has left") from error


def parsed(body: bytes) -> Any:
    """The JSON of a body.

    Raises:
        Refused: it is none.
    """
    if body.count(b"{") + body.count(b"[") > _MOST_NESTED:
        raise Refused(413, f"the JSON has more than {_MOST_NESTED:,} lists and objects")
    try:
        return from_json(body)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from None


async def _uploads(request: Request, form: Form) -> list[bytes]:
    await body_of(request)
    reader = _Files(request.headers, request.stream(), max_files=form.limits.rows, max_fields=0)
    try:
        given = await reader.parse()
    except (MultiPartException, MultipartParseError, KeyError) as error:
        told = getattr(error, "message", "") or str(error)
        raise Refused(422, f"the form cannot be read: {told}", where=_FIELD) from error
    try:
        files = [each for each in given.getlist(_FIELD) if isinstance(each, UploadFile)]
        if not files or len(files) < len(given.multi_items()):
            what = f'the form has no file, or other fields than "{_FIELD}"'
            raise Refused(422, what, where=_FIELD)
        return [await each.read() for each in files]
    finally:
        await given.close()


class _Files(MultiPartParser):
    """Every part of a form is a file, whether the client has given it a file's name or not."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        if b"filename" not in (part.content_disposition or b""):
            part.content_disposition = (part.content_disposition or b"") + b'; filename="file"'
        super().on_headers_finished()
