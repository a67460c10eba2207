"""JSON Lines (one object a line), and one JSON array of objects."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.data.lake.layout import cells_of, file_list, quoted
from core.data.sources.columns import (
    Out,
    Place,
    hand_over,
    lake_type,
    refuse_bad_cells,
)
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_kind import suffix_of
from core.data.sources.guess import portions
from core.data.sources.said import counted
from core.data.sources.settle import settle_texts, settle_times
from core.data.sources.tables.plain_text import plain_utf8
from core.errors import LeptonError

LARGEST_OBJECT = 256 << 20


def read_json_lines(desk: Desk, paths: list[Path]) -> Arrived:
    """Read JSON objects of all files as rows; lines that are no object are rejected one by one.

    A file may hold an object a line, an array of objects, or objects over several lines. Keys that
    a row lacks are missing in it. Values that are themselves lists or objects are kept as JSON
    text.

    Raises:
        LeptonError: an array is broken, or most of the lines are.
    """
    import duckdb

    texts = [Text(path, plain_utf8(desk, path), len(paths) > 1) for path in paths]
    try:
        try:
            _load(desk, texts)
        except duckdb.Error:
            desk.check()
            texts = [_whole_lines(desk, text) if text.lines else text for text in texts]
            _load(desk, texts)
    except duckdb.Error as error:
        desk.check()
        raise LeptonError(
            f"the JSON is broken: {_first_sentence(str(error))}",
            where=_broken(texts, str(error)),
            hint="Correct the file; nothing was imported.",
        ) from error
    described = desk.connection.execute("DESCRIBE arrived").fetchall()
    outs = _settled(desk, {name: kind for name, kind, *_ in described})
    keep = refuse_bad_cells(
        desk,
        "arrived",
        outs,
        # The rows of an array have no lines of their own.
        (lambda wanted: _places(desk, texts, wanted)) if all(t.lines for t in texts) else None,
    )
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    desk.judge(count, "lines")
    return hand_over(desk, "arrived", outs, keep)


@dataclass(frozen=True)
class Text:
    """One file to read: as a person knows it, as plain UTF-8, and without its bad lines."""

    path: Path
    plain: Path
    one_of_several: bool
    whole: Path | None = None

    @property
    def start(self) -> bytes:
        with self.plain.open("rb") as file:
            return file.read(65_536).lstrip(b"\xef\xbb\xbf \t\r\n")

    @property
    def lines(self) -> bool:
        """Whether the file holds an object a line, as far as its beginning says."""
        start = self.start
        if start.startswith(b"["):
            return False
        first, ended, _ = start.partition(b"\n")
        return suffix_of(self.path) != ".json" or not ended or _is_object(first)

    def called(self, desk: Desk) -> str | None:
        """The file's name where there are several, else nothing."""
        return desk.called(self.path) if self.one_of_several else None


def _load(desk: Desk, texts: list[Text]) -> None:
    """Fill the table `arrived`, each key with the type that suits its values in every file."""
    if all(text.lines for text in texts):
        form = "newline_delimited"
    elif all(text.start.startswith(b"[") for text in texts):
        form = "array"
    else:
        form = "auto" if any(text.start.startswith(b"[") for text in texts) else "unstructured"
    desk.connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE arrived AS
            SELECT * FROM read_json({file_list([text.whole or text.plain for text in texts])},
            format = '{form}', records = true, sample_size = -1,
            maximum_sample_files = {len(texts)}, union_by_name = {len(texts) > 1},
            maximum_object_size = {LARGEST_OBJECT})"""
    )


def _broken(texts: list[Text], message: str) -> str:
    """The file that a message of DuckDB speaks of."""
    named = (text.path for text in texts if str(text.whole or text.plain) in message)
    return str(next(named, texts[0].path))


def _settled(desk: Desk, kinds: dict[str, str]) -> list[Out]:
    """Where the values of one key have several types, DuckDB leaves them as JSON."""
    free = {name: kind for name, kind in kinds.items() if name not in desk.options.types}
    mixed = [name for name, kind in kinds.items() if kind == "JSON"]
    for name in mixed:
        column = quoted(name)
        desk.connection.execute(
            f"ALTER TABLE arrived ALTER {column} TYPE VARCHAR USING {column}->>'$'"
        )
    texts = settle_texts(desk, "arrived", mixed)
    times = settle_times(desk, "arrived", [name for name in free if free[name] == "VARCHAR"])
    numbers = [name for name in free if free[name] == "DOUBLE"]
    odd = _not_finite(desk, numbers)
    outs = []
    for name, kind in kinds.items():
        if name in odd:
            values = counted(odd[name], "value")
            desk.note(f'{values} such as NaN in column "{name}" taken for missing')
            kept = f"CASE WHEN isfinite({quoted(name)}) THEN {quoted(name)} END"
            outs.append(Out(name, kept, kind))
        else:
            settled = texts.get(name) or times.get(name)
            outs.append(settled or lake_type(desk, name, kind))
    return outs


def _not_finite(desk: Desk, numbers: list[str]) -> dict[str, int]:
    """How many values of a column Python wrote as NaN or Infinity, which are no numbers in JSON."""
    found: dict[str, int] = {}
    for part in portions(numbers):
        found |= desk.connection.execute(
            f"SELECT name, count(*) FROM {cells_of('arrived', part)}"
            " WHERE NOT isfinite(cell) GROUP BY name"
        ).fetchall()
    return found


def _whole_lines(desk: Desk, text: Text) -> Text:
    """A copy of the file without the lines that are no JSON object, each of which is rejected."""
    copy = desk.scratch(".jsonl")
    kept = 0
    with text.plain.open("rb") as file, copy.open("wb") as out:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if fault := _fault(line.removeprefix(b"\xef\xbb\xbf")):
                shown = line.decode(errors="replace").strip()
                desk.reject(f"line {number:,}", fault, value=shown, file=text.called(desk))
                continue
            kept += 1
            out.write(line)
    if not kept and not text.one_of_several:
        desk.judge(0, "lines")
    return replace(text, whole=copy)


def _fault(line: bytes) -> str | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return f"broken JSON: {error}"
    return None if isinstance(value, dict) else "the line is JSON, but no object in braces"


def _is_object(line: bytes) -> bool:
    return _fault(line) is None


def _places(desk: Desk, texts: list[Text], wanted: list[int]) -> dict[int, Place]:
    """Where these rows of the table stood; the lines are those of the file itself."""
    found: dict[int, Place] = {}
    left = set(wanted)
    row = -1
    for text in texts:
        with text.plain.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not left:
                    return found
                if not line.strip() or _fault(line.removeprefix(b"\xef\xbb\xbf")):
                    continue
                row += 1
                if row in left:
                    found[row] = (text.called(desk), f"line {number:,}")
                    left.discard(row)
    return found


def _first_sentence(message: str) -> str:
    """DuckDB's message without its type and without the advice about its own settings."""
    text: Any = message.partition("Error: ")[2] or message
    text = text.splitlines()[0]
    if " in file " in text:
        text = text.partition(" in file ")[2].partition('", ')[2] or text
    return str(text[:200]).rstrip(". ")
