"""JSON Lines (one object a line), and one JSON array of objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from core.data.sources.columns import (
    Out,
    Place,
    hand_over,
    lake_type,
    refuse_bad_cells,
    settle_text,
)
from core.data.sources.desk import Arrived, Desk
from core.data.sources.detect import suffix_of
from core.data.sources.plain_text import plain_utf8
from core.data.view import literal, quoted
from core.errors import LeptonError

LARGEST_OBJECT = 256 << 20


def read_json_lines(desk: Desk, paths: list[Path]) -> Arrived:
    """Read JSON objects as rows; lines that are no object are rejected one by one.

    Values that are themselves lists or objects are kept as JSON text.

    Raises:
        LeptonError: an array is broken, or most of the lines are.
    """
    import duckdb

    path = paths[0]
    text = plain_utf8(desk, path)
    lines = True
    try:
        with text.open("rb") as file:
            start = file.read(65_536).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"["):
            lines = False
            _load(desk, text, "array")
        else:
            try:
                _load(desk, text, "newline_delimited")
            except duckdb.Error:
                if suffix_of(path) == ".json" and not _is_object(start.splitlines()[0]):
                    lines = False
                    _load(desk, text, "unstructured")
                else:
                    _load(desk, _whole_lines(desk, text), "newline_delimited")
    except duckdb.Error as error:
        raise LeptonError(
            f"the JSON is broken: {_first_sentence(str(error))}",
            where=str(path),
            hint="Correct the file; nothing was imported.",
        ) from error
    described = desk.connection.execute("DESCRIBE arrived").fetchall()
    outs = [_settle(desk, name, kind) for name, kind, *_ in described]
    keep = refuse_bad_cells(
        desk, "arrived", outs, (lambda wanted: _lines_of(text, wanted)) if lines else None
    )
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    desk.judge(count, "lines")
    return hand_over(desk, "arrived", outs, keep)


def _load(desk: Desk, text: Path, form: str) -> None:
    desk.connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE arrived AS SELECT * FROM read_json({literal(str(text))},
            format = '{form}', records = true, sample_size = -1,
            maximum_object_size = {LARGEST_OBJECT})"""
    )


def _settle(desk: Desk, name: str, kind: str) -> Out:
    """Where the values of one key have several types, DuckDB leaves them as JSON."""
    if kind != "JSON":
        return lake_type(desk, name, kind)
    column = quoted(name)
    desk.connection.execute(f"ALTER TABLE arrived ALTER {column} TYPE VARCHAR USING {column}->>'$'")
    return settle_text(desk, "arrived", name)


def _whole_lines(desk: Desk, text: Path) -> Path:
    """A copy of the file without the lines that are no JSON object, each of which is rejected."""
    copy = desk.scratch(".jsonl")
    kept = 0
    with text.open("rb") as file, copy.open("wb") as out:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if fault := _fault(line.removeprefix(b"\xef\xbb\xbf")):
                shown = line.decode(errors="replace").strip()
                desk.reject(f"line {number:,}", fault, value=shown)
                continue
            kept += 1
            out.write(line)
    if not kept:
        desk.judge(0, "lines")
    return copy


def _fault(line: bytes) -> str | None:
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return f"broken JSON: {error}"
    return None if isinstance(value, dict) else "the line is JSON, but no object in braces"


def _is_object(line: bytes) -> bool:
    return _fault(line) is None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _lines_of(text: Path, wanted: list[int]) -> dict[int, Place]:
    found: dict[int, Place] = {}
    left = set(wanted)
    row = -1
    with text.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or _fault(line.removeprefix(b"\xef\xbb\xbf")):
                continue
            row += 1
            if row in left:
                found[row] = (None, f"line {number:,}")
                left.discard(row)
                if not left:
                    break
    return found


def _first_sentence(message: str) -> str:
    """DuckDB's message without its type and without the advice about its own settings."""
    text: Any = message.partition("Error: ")[2] or message
    text = text.splitlines()[0]
    if " in file " in text:
        text = text.partition(" in file ")[2].partition('", ')[2] or text
    return str(text[:200]).rstrip(". ")
