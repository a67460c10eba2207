"""What a model takes and gives over HTTP, made of its task's columns and of its kind of answer."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict

from core.errors import LeptonError, nearest
from core.inference.messages import Row
from core.serving.answers import answer_of, response_of
from core.serving.problems import Refused
from core.serving.settings import Limits
from core.tasks.base import Task
from core.tasks.pixels import own_size

MEDIA = ("image", "audio")
"""Kinds of cells that are files: their bytes, in base64 where the request is JSON."""
TOLD = 20
"""Faults of one request that are told."""
_LONGEST_NAME = 1000
_LARGEST = 2**1023


@dataclass(frozen=True)
class Form:
    """The rows and answers of one model. Rows are checked here, before anything is queued."""

    name: str
    """A name for its types in the OpenAPI document: "Digits"."""
    task: Task
    limits: Limits

    @cached_property
    def takes(self) -> dict[str, str]:
        return self.task.takes

    @cached_property
    def alone(self) -> str | None:
        """The column of a model that reads one, which a bare cell stands for; None: it reads
        several, or series."""
        return self.task.columns[0] if len(self.takes) == 1 and not self.task.gathers else None

    @cached_property
    def medium(self) -> str | None:
        """ "image" or "audio" where a row is one file, "text" where it is one text."""
        kind = self.takes[self.alone] if self.alone else ""
        return kind if kind in (*MEDIA, "text") else None

    @cached_property
    def request(self) -> TypeAdapter[Any]:
        """`{"instances": [row, …]}`."""
        cells = {name: self._cell(kind) for name, kind in self.takes.items()}
        row = _closed(f"{self.name}Row", cells)
        if self.alone:
            column, cell = self.alone, cells[self.alone]

            def whole(given: object) -> object:
                return given if isinstance(given, Mapping) else {column: given}

            row = Annotated[row, BeforeValidator(whole, json_schema_input_type=row | cell)]
        rows = Annotated[list[row], Field(min_length=1, max_length=self.limits.rows)]  # type: ignore[valid-type]
        return TypeAdapter(_closed(f"{self.name}Request", {"instances": rows}))

    @cached_property
    def answer(self) -> Any:
        """The type of one answer."""
        labels = tuple(getattr(self.task, "labels", ()))
        return answer_of(self.task.gives, self.name, labels)

    @cached_property
    def response(self) -> TypeAdapter[Any]:
        """`{"model", "version", "predictions": [answer or null, …], "errors": […]}`."""
        return response_of(self.name, self.answer)

    def rows(self, body: object) -> list[Row]:
        """The rows of a request's JSON.

        Raises:
            Refused: it is not of this form; names each row and column.
        """
        self._bounded(body)
        try:
            given = self.request.validate_python(body)["instances"]
        except ValidationError as error:
            raise self._refused(error) from None
        if self.task.gathers:
            self._even(given)
        return self.named(given)

    def named(self, given: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Rows with the names by which errors call them."""
        return [Row(f"instances[{at}]", row) for at, row in enumerate(given)]

    def files(self, contents: Sequence[bytes]) -> list[Row]:
        """A row for each uploaded file.

        Raises:
            Refused: the model reads no files, or these are none of its kind.
        """
        column, limits = self.alone, self.limits
        if column is None or self.medium is None:
            raise Refused(
                415,
                f"the model reads rows of columns, no {'series' if self.task.gathers else 'files'}"
                " in this form",
                hint='Send JSON: {"instances": [{…}]}',
            )
        if len(contents) > limits.rows:
            raise too_many(len(contents), limits.rows)
        given = []
        for at, content in enumerate(contents):
            try:
                cell = content.decode() if self.medium == "text" else self._file(content)
                if isinstance(cell, str) and len(cell) > limits.text:
                    raise ValueError(f"it has more than {limits.text:,} characters")
            except ValueError as error:
                what = "it is no UTF-8" if isinstance(error, UnicodeError) else str(error)
                raise wrong_rows([{"row": at, "column": column, "detail": what}]) from None
            given.append({column: cell})
        return self.named(given)

    def _bounded(self, body: object) -> None:
        """Refuse what is too much before each part of it is found to be wrong."""
        given = body.get("instances") if isinstance(body, Mapping) else None
        if not isinstance(given, list):
            return
        if len(given) > self.limits.rows:
            raise too_many(len(given), self.limits.rows)
        for at, row in enumerate(given):
            if isinstance(row, Mapping) and len(row) > len(self.takes):
                strange = next(name for name in row if name not in self.takes)
                raise wrong_rows([{"row": at, "column": strange, "detail": self._strange(strange)}])

    def _strange(self, column: str) -> str:
        return f"the model reads no such column. {nearest(column, self.takes)}".strip()

    def _file(self, content: bytes) -> bytes:
        """Raises ValueError where the bytes are no picture or sound, or too large a one."""
        if self.task.reads == "image":
            height, width = own_size(content)
            if height * width > self.limits.pixels:
                raise ValueError(
                    f"{width} x {height} pixels, more than {self.limits.pixels:,} in all"
                )
        elif not content:
            raise ValueError("it is empty")
        return content

    def _cell(self, kind: str) -> Any:
        one: Any
        if kind in MEDIA:
            schema = {"type": "string", "contentEncoding": "base64", "format": f"{kind}-base64"}
            return Annotated[bytes, BeforeValidator(self._decoded), WithJsonSchema(schema)]
        if kind == "text":
            return Annotated[str, Field(strict=True, max_length=self.limits.text)]
        if kind == "number":
            one = _NUMBER | StrictBool | None
        elif kind == "date":
            one = _DATE | None
        else:
            name = Annotated[str, Field(strict=True, max_length=_LONGEST_NAME)]
            one = name | StrictBool | _WHOLE | _NUMBER | None
        if not self.task.gathers:
            return one
        return Annotated[list[one], Field(min_length=1, fail_fast=True)]

    def _decoded(self, given: object) -> bytes:
        """A file's bytes, out of base64 or, out of Arrow, as they are."""
        if isinstance(given, bytes):
            return self._file(given)
        if not isinstance(given, str):
            raise ValueError("it is not base64")  # noqa: TRY004 - pydantic's own way to say so
        try:
            content = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("it is not base64") from error
        return self._file(content)

    def _even(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Whether the columns of each series have as many steps."""
        wrong = []
        for at, row in enumerate(rows):
            lengths = {name: len(cells) for name, cells in row.items()}
            if len(set(lengths.values())) > 1:
                told = ", ".join(f"{name} {count}" for name, count in lengths.items())
                wrong.append({"row": at, "detail": f"its columns differ in length: {told}"})
        if wrong:
            raise wrong_rows(wrong)

    def _refused(self, error: ValidationError) -> Refused:
        faults = error.errors(include_url=False, include_context=False)
        if any(len(fault["loc"]) < 2 for fault in faults):
            fault = next(fault for fault in faults if len(fault["loc"]) < 2)
            if fault["type"] == "too_long" and isinstance(fault["input"], list):
                return too_many(len(fault["input"]), self.limits.rows)
            return Refused(
                422,
                "the request is not of the form that the model takes",
                where=".".join(map(str, fault["loc"])),
                hint='Send {"instances": [row, …]}; /openapi.json says what a row is.',
            )
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for fault in faults:
            _, at, *rest = fault["loc"]
            column = str(rest[0]) if rest else ""
            step = next((part for part in rest[1:] if isinstance(part, int)), None)
            told = self._told(fault, column, step)
            # Of the kinds that a cell may be, each says that it is not: once is enough.
            rows.setdefault((at, column, step), {"row": at, "detail": told} | _named(column))
        return wrong_rows(list(rows.values()))

    def _told(self, fault: Mapping[str, Any], column: str, step: int | None) -> str:
        """What is wrong with a cell, in words."""
        kind = fault["type"]
        if kind == "extra_forbidden":
            return self._strange(column)
        if kind == "missing":
            return "the column is missing; null leaves it empty"
        if not column:
            return f"it is no row, but {_json_kind(fault['input'])}"
        place = "" if step is None else f"step {step}: "
        if kind == "value_error":
            return place + str(fault["msg"]).removeprefix("Value error, ")
        if kind in ("string_too_long", "too_short", "too_long"):
            return place + str(fault["msg"])
        wanted = self.takes[column]
        wanted = f"list of {wanted}s" if self.task.gathers and step is None else wanted
        return f"{place}{_json_kind(fault['input'])} is no {wanted}"


def too_many(rows: int, most: int) -> Refused:
    return Refused(
        422, f"{rows:,} rows, more than {most:,} in one request", hint="Send them in parts."
    )


def type_name(name: str) -> str:
    """ "fine-foods_lstm" as "FineFoodsLstm"."""
    parts = re.split(r"[^A-Za-z0-9]+", name)
    made = "".join(part[:1].upper() + part[1:] for part in parts)
    return made if made[:1].isalpha() else f"Model{made}"


def wrong_rows(rows: list[dict[str, Any]]) -> Refused:
    """What a client hears of rows that are wrong: the first of them, and which others."""
    first = rows[0]
    column = f".{first['column']}" if "column" in first else ""
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    return Refused(
        422,
        f"{first['detail']}{more}",
        where=f"instances[{first['row']}]{column}",
        rows=rows[:TOLD],
    )


def _named(column: str) -> dict[str, str]:
    return {"column": column} if column else {}


def _json_kind(value: object) -> str:
    """A value as an error tells of it; nothing of what may be private but a short scalar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        small = isinstance(value, float) or abs(value) < _LARGEST
        return f"{value:g}" if small else "a number too large"
    if isinstance(value, str):
        return f'"{value[:40]}{"…" if len(value) > 40 else ""}"'
    return "a list" if isinstance(value, list) else "an object"


def _closed(name: str, fields: Mapping[str, Any]) -> Any:
    """A mapping with just these keys."""
    return with_config(ConfigDict(extra="forbid"))(TypedDict(name, dict(fields)))  # type: ignore[operator]


def _dated(text: str) -> str:
    try:
        dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f'"{text[:40]}" is no date: write 2026-01-31 or 2026-01-31T12:00'
        ) from None
    return text


def _moderate(value: int) -> int:
    if abs(value) >= _LARGEST:
        raise ValueError("the number is too large")
    return value


_WHOLE = Annotated[StrictInt, AfterValidator(_moderate)]
_NUMBER = Annotated[StrictFloat, Field(allow_inf_nan=False)]
_DATE = Annotated[
    str,
    Field(strict=True, max_length=64),
    AfterValidator(_dated),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]


def fault_of(error: LeptonError, form: Form) -> dict[str, str]:
    """What a client hears of a row that the engine could not answer: "detail", and "column" where
    it is known."""
    column = next((name for name in form.takes if f"column {name}" in error.where), "")
    return {"detail": error.what} | _named(column)
