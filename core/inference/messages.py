"""What goes into the engine and what comes out, and how both travel as JSON."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import LeptonError, UsageError
from core.opening import bytes_in

PATH = "$path"
BYTES = "$base64"


@dataclass(frozen=True)
class Row:
    """One row to answer: how a person knows it, and its columns.

    A `Path` value stands for the bytes of that file; the engine reads them. `error` says why the
    row could not be read at all; it is then its answer too. `truth` is what a data set says of the
    row, for a person to compare with; the engine never sees it. A `typed` row was written by
    whoever asks: a value of it that cannot be read is their mistake. `place` is the version and the
    row id where it stands in a data set, if it does.
    """

    input: str
    values: Mapping[str, Any] = field(default_factory=dict)
    error: LeptonError | None = None
    truth: Any = None
    typed: bool = False
    place: tuple[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        values = {name: packed(value) for name, value in self.values.items()}
        fault = {} if self.error is None else {"error": self.error.to_json()}
        typed = {"typed": True} if self.typed else {}
        return {"input": self.input, "values": values, **fault, **typed}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        """The row as `to_json` wrote it.

        Raises:
            KeyError, TypeError or ValueError: it is not one.
        """
        values = {str(name): unpacked(value) for name, value in row["values"].items()}
        error = LeptonError.from_json(row["error"]) if "error" in row else None
        return cls(str(row["input"]), values, error, typed=bool(row.get("typed")))


@dataclass(frozen=True)
class Answer:
    """What a model says about one row, or why nothing: `output` is as `Task.answers` has it."""

    input: str
    output: Any = None
    error: LeptonError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def label(self) -> Any:
        """The class, where it tells one."""
        return self._part("label")

    @property
    def score(self) -> Any:
        return self._part("score")

    @property
    def scores(self) -> Mapping[str, float]:
        """Probability of each label, the most likely first; empty where it tells no class."""
        return self._part("scores") or {}

    @property
    def value(self) -> float | None:
        """The number, where it tells one."""
        return self.output if isinstance(self.output, int | float) else None

    @property
    def gist(self) -> Any:
        """What of it counts when two are compared: the label where there is one."""
        return self.output if self.label is None else self.label

    def _part(self, name: str) -> Any:
        return self.output.get(name) if isinstance(self.output, Mapping) else None

    def to_json(self) -> dict[str, Any]:
        """`input` and `output`; the output is null where there is an `error`."""
        fault = {} if self.error is None else {"error": self.error.to_json()}
        return {"input": self.input, "output": self.output, **fault}

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Answer:
        error = LeptonError.from_json(answer["error"]) if "error" in answer else None
        return cls(answer["input"], answer["output"], error)


class Embedded(NamedTuple):
    """A text as a vector, made of so many tokens."""

    vector: list[float]
    tokens: int


def contents(path: Path) -> bytes:
    """The bytes of a file that a row names.

    Raises:
        UsageError: it cannot be read, or is a pipe or a device.
    """
    try:
        return bytes_in(path)
    except OSError as error:
        raise UsageError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def packed(value: Any) -> Any:
    """The value as JSON has it, with bytes as they are; what else JSON has not is tagged or written
    as text."""
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return {PATH: str(value)}
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): packed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [packed(each) for each in value]
    if hasattr(value, "item"):
        return packed(value.item())
    return str(value)


def in_text(value: Any) -> dict[str, str]:
    """Bytes for a file of JSON, as `default` of `json.dumps`."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no place in JSON")
    return {BYTES: base64.b64encode(value).decode()}


def unpacked(value: Any) -> Any:
    """The value as `packed` made it, or as `in_text` wrote its bytes.

    Raises:
        ValueError: its bytes are none.
    """
    if isinstance(value, list):
        return [unpacked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {PATH}:
        return Path(value[PATH])
    if value.keys() == {BYTES}:
        try:
            return base64.b64decode(value[BYTES], validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from error
    return {name: unpacked(each) for name, each in value.items()}
