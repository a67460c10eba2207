"""Labels in a file: CSV of row id and label, or JSON Lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, NoReturn

from core.data.lake.journal import Entry
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError

# Not "id": that is likely a column of the data's own.
ROW_NAMES = (ROW_ID, "rid", "row")
LABEL_NAMES = ("label", "value")
SCORE = "score"
HINT = (
    "It holds row ids and labels, such as 17,Adelie; names may stand above them, such as"
    ' _rid,label,score. Or JSON Lines, such as {"_rid": 17, "label": "Adelie"}.'
)


_Line = tuple[int, str]


class _Said(NamedTuple):
    """What one line says, as it stands there."""

    line: int
    row: Any
    label: Any
    score: Any = None


def read_labels(lines: Iterable[str], where: str, column: str) -> tuple[list[Entry], int]:
    """The labels in the lines of a file, and how many lines name a row and no label.

    Names may stand in the first line: `_rid` (or `row`), `label` (or the name of the column),
    `score`. Without them the first field is the row and the second the label.

    Raises:
        LeptonError: a line cannot be read.
    """
    numbered = enumerate(lines, 1)
    first = next(((n, line.removeprefix("\ufeff")) for n, line in numbered if line.strip()), None)
    if first is None:
        return [], 0
    read = _json if first[1].lstrip().startswith("{") else _csv
    entries: list[Entry] = []
    empty = 0
    for said in read(first, numbered, where, column):
        row, score = _whole(said.row), _share(said.score)
        if row is None:
            _refuse(where, said.line, f'"{_short(said.row)}" is no row id')
        if score is None and said.score not in (None, ""):
            _refuse(where, said.line, f'"{_short(said.score)}" is no score from 0 to 1')
        if said.label is None or not (label := str(said.label).strip()):
            empty += 1
        else:
            entries.append(Entry(row, label, score))
    return entries, empty


def _csv(first: _Line, rest: Iterable[_Line], where: str, column: str) -> Iterator[_Said]:
    fields: Mapping[str, int] = {"row": 0, "label": 1}
    began, head = first
    rows = csv.reader(
        (line for _, line in chain([first], rest)),
        delimiter=max(",;\t", key=head.count),
        strict=True,
    )
    try:
        for n, cells in enumerate(rows):
            at = began - 1 + rows.line_num
            if n == 0 and (named := _named(cells, column)):
                fields = named
                continue
            if not any(cells):
                continue
            if len(cells) <= max(fields.values()):
                found, wanted = len(cells), max(fields.values()) + 1
                _refuse(where, at, f"there are {found} fields, and {wanted} are needed")
            yield _Said(at, **{name: cells[field] for name, field in fields.items()})
    except csv.Error as error:
        _refuse(where, began - 1 + rows.line_num, str(error))


def _named(cells: list[str], column: str) -> dict[str, int]:
    """Which field is which, by the names in the first line; empty if it holds none."""
    names = [cell.strip().lower() for cell in cells]
    wanted = {"row": ROW_NAMES, "label": (column.lower(), *LABEL_NAMES), SCORE: (SCORE,)}
    found = {
        what: names.index(next(name for name in known if name in names))
        for what, known in wanted.items()
        if set(known) & set(names)
    }
    return found if {"row", "label"} <= set(found) else {}


def _json(first: _Line, rest: Iterable[_Line], where: str, column: str) -> Iterator[_Said]:
    for at, line in chain([first], rest):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            _refuse(where, at, "there is no JSON object")
        known = [name for name in (column, *LABEL_NAMES) if name in said]
        if not known or isinstance(said[known[0]], dict | list):
            _refuse(where, at, f'there is no "label" or "{column}" with a plain value')
        label = said[known[0]]
        row = next((said[name] for name in ROW_NAMES if name in said), None)
        yield _Said(
            at, row, json.dumps(label) if isinstance(label, bool) else label, said.get(SCORE)
        )


def _whole(value: Any) -> int | None:
    if isinstance(value, bool | float):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _share(value: Any) -> float | None:
    try:
        share = float(value)
    except (TypeError, ValueError):
        return None
    return share if 0 <= share <= 1 else None


def _short(value: Any) -> str:
    return str(value)[:40]


def _refuse(where: str, line: int, why: str) -> NoReturn:
    raise LeptonError(why, where=f"{where}, line {line:,}", hint=HINT)
