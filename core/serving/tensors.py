"""Tensors of the Open Inference Protocol: in JSON, or as bytes behind it (binary extension)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json

from core.inference.messages import Answer
from core.serving.forms import MEDIA, Form
from core.serving.problems import Refused

DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BYTES = "BYTES"
_LENGTH = 4
"""Bytes before each element of a BYTES tensor, which say how long it is."""
_TAKEN = {
    "number": tuple(DTYPES),
    "category": (BYTES, *DTYPES),
    "date": (BYTES,),
    "text": (BYTES,),
    "image": (BYTES,),
    "audio": (BYTES,),
}


@dataclass(frozen=True)
class Tensor:
    """A named tensor; `data` is flat, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]

    def to_json(self) -> dict[str, Any]:
        shape = list(self.shape)
        return {"name": self.name, "datatype": self.datatype, "shape": shape, "data": self.data}

    def to_bytes(self) -> bytes:
        if self.datatype != BYTES:
            return np.asarray(self.data, DTYPES[self.datatype]).tobytes()
        parts = [str(each).encode() for each in self.data]
        return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in parts)


def inputs_of(form: Form) -> list[dict[str, Any]]:
    """What a model takes, as the protocol's metadata has it."""
    shape = [-1, -1] if form.task.gathers else [-1]
    return [
        {"name": name, "datatype": "FP64" if kind == "number" else BYTES, "shape": shape}
        for name, kind in form.takes.items()
    ]


def outputs_of(form: Form) -> list[dict[str, Any]]:
    """What a model gives."""
    labels = len(getattr(form.task, "labels", ()))
    kinds: dict[str, list[tuple[str, str, list[int]]]] = {
        "label": [
            ("label", BYTES, [-1]),
            ("score", "FP64", [-1]),
            ("scores", "FP64", [-1, labels]),
        ],
        "labels": [("scores", "FP64", [-1, labels])],
        "number": [("value", "FP64", [-1])],
        "text": [("text", BYTES, [-1])],
        "boxes": [("boxes", BYTES, [-1])],
        "forecast": [("values", "FP64", [-1, -1]), ("times", BYTES, [-1, -1])],
    }
    return [
        {"name": name, "datatype": kind, "shape": shape}
        for name, kind, shape in kinds[form.task.gives]
    ]


def rows_of(inputs: Sequence[Mapping[str, Any]], tail: bytes, form: Form) -> list[dict[str, Any]]:
    """The rows that the tensors of a request hold.

    Raises:
        Refused: a tensor is none, is of another type or shape, or there is no such input.
    """
    named: dict[str, list[Any]] = {}
    rows: int | None = None
    at = 0
    for given in inputs:
        tensor, at = _tensor(given, tail, at)
        if tensor.name in named:
            raise Refused(422, "the input is there twice", where=tensor.name[:80])
        kind = form.takes.get(tensor.name)
        if kind is None:
            there = ", ".join(form.takes)
            hint = f"There are: {there}."
            raise Refused(422, "the model has no such input", where=tensor.name[:80], hint=hint)
        if tensor.datatype not in _TAKEN[kind]:
            what = f"{tensor.datatype} is not taken for a column of {kind}s"
            raise Refused(422, what, where=tensor.name, hint=f"Send {_TAKEN[kind][0]}.")
        named[tensor.name] = _by_row(tensor, kind, form)
        if rows is not None and rows != len(named[tensor.name]):
            raise Refused(422, "the inputs differ in their number of rows", where=tensor.name)
        rows = len(named[tensor.name])
    if at != len(tail):
        raise Refused(422, f"{len(tail) - at} bytes are left over after the last tensor")
    return [{name: cells[row] for name, cells in named.items()} for row in range(rows or 0)]


def tensors_of(answers: Sequence[Answer], form: Form) -> Iterator[Tensor]:
    """The outputs of `outputs_of`, for these answers."""
    given = [answer.output for answer in answers]
    labels = getattr(form.task, "labels", ())
    for output in outputs_of(form):
        name, kind, count = output["name"], output["datatype"], len(given)
        if name == "value":
            yield Tensor(name, kind, (count,), given)
        elif name == "scores":
            chances = [each["scores"][label] for each in given for label in labels]
            yield Tensor(name, kind, (count, len(labels)), chances)
        elif name == "boxes":
            yield Tensor(name, kind, (count,), [to_json(each["boxes"]).decode() for each in given])
        elif form.task.gives == "forecast":
            cells = [cell for each in given for cell in each[name]]
            yield Tensor(name, kind, (count, len(cells) // max(1, count)), cells)
        else:
            yield Tensor(name, kind, (count,), [each[name] for each in given])


def _tensor(given: Mapping[str, Any], tail: bytes, at: int) -> tuple[Tensor, int]:
    """The tensor, and where in the tail the next one begins."""
    name, kind, shape = given["name"], given["datatype"], tuple(given["shape"])
    size = given.get("parameters", {}).get("binary_data_size")
    if size is None:
        data = _flat(given.get("data"), name)
    else:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail) - at:
            raise Refused(422, "the body holds no so many bytes of it", where=name[:80])
        data = _binary(tail[at : at + size], kind, name)
        at += size
    if math.prod(shape) != len(data):
        what = f"{len(data)} elements are not of the shape {list(shape)}"
        raise Refused(422, what, where=name[:80])
    return Tensor(name, kind, shape, data), at


def _flat(data: Any, name: str) -> list[Any]:
    if not isinstance(data, list):
        raise Refused(422, "the input has no data", where=name[:80])
    while data and all(isinstance(each, list) for each in data):
        data = [cell for each in data for cell in each]
    return list(data)


def _binary(part: bytes, kind: str, name: str) -> list[Any]:
    if kind != BYTES:
        width = np.dtype(DTYPES[kind]).itemsize
        if len(part) % width:
            raise Refused(422, f"{len(part)} bytes are no whole {kind}s", where=name[:80])
        return list(np.frombuffer(part, DTYPES[kind]).tolist())
    found: list[bytes] = []
    at = 0
    while at < len(part):
        length = int.from_bytes(part[at : at + _LENGTH], "little")
        at += _LENGTH
        if at + length > len(part):
            raise Refused(422, "its bytes end in the middle of an element", where=name[:80])
        found.append(part[at : at + length])
        at += length
    return found


def _by_row(tensor: Tensor, kind: str, form: Form) -> list[Any]:
    """A cell for each row, or a list of cells where rows are series."""
    shape = tensor.shape
    if form.task.gathers:
        if len(shape) != 2:
            raise Refused(422, "its shape is not [series, steps]", where=tensor.name)
    elif len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise Refused(422, "its shape is not [rows]", where=tensor.name)
    cells = [_cell(each, kind, tensor.name) for each in tensor.data]
    if not form.task.gathers:
        return cells
    steps = shape[1]
    return [cells[row * steps : (row + 1) * steps] for row in range(shape[0])]


def _cell(given: Any, kind: str, name: str) -> Any:
    """Bytes are text but where they are a file's."""
    if not isinstance(given, bytes) or kind in MEDIA:
        return given
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise Refused(422, "an element is no UTF-8", where=name) from None
