"""Columns on their way into the lake: what text really holds, and which types the lake keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.data.lake.moments import moment, names_zone
from core.data.lake.view import ROW_ID, SPLIT, literal, quoted
from core.data.sources.desk import Arrived, Desk
from core.data.sources.guess import (
    DOUBT,
    NOT_A,
    Out,
    settle_text,
    tell_of_zones,
    too_long,
    type_named,
)
from core.data.sources.signatures import image_kind, sound_kind

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
HF_IMAGE = "STRUCT(bytes BLOB, path VARCHAR)"

Ask = Callable[[str], tuple[Any, ...]]
Place = tuple[str | None, str]
PlaceFinder = Callable[[list[int]], dict[int, Place]]
"""Finds where rows of the table stood: `finder(row ids) -> {row id: (file or None, "line 7")}`."""

__all__ = ["Out", "hand_over", "lake_type", "refuse_bad_cells", "settle_text"]


def lake_type(desk: Desk, column: str, kind: str, ask: Ask | None = None) -> Out:
    """Make a typed column one of the types that the lake, and the tasks above it, work with.

    `ask` answers aggregates over the rows, where those are not the desk's table `arrived`.
    """
    ask = ask or (lambda sql: desk.connection.execute(f"SELECT {sql} FROM arrived").fetchall()[0])
    wanted = desk.options.types.get(column)
    if wanted is None:
        return _own_type(desk, column, kind, ask)
    named, name = type_named(wanted), quoted(column)
    own = _own_type(desk, column, kind, ask)
    # What comes out as that type by itself comes out as it always does.
    if named == own.type:
        return own
    if named == "TIMESTAMP" and own.type == "VARCHAR":
        text = f"trim({name})"
        tell_of_zones(desk, column, *ask(f"count({name}), count_if({names_zone(text)})"))
        return Out(column, moment(text, strict=True), named)
    return Out(column, f"CAST({name} AS {named})", named)


def _own_type(desk: Desk, column: str, kind: str, ask: Ask) -> Out:
    name = quoted(column)
    if kind == HF_IMAGE:
        return Out(column, f"struct_extract({name}, 'bytes')", "BLOB")
    if kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")) or kind.endswith("]"):
        desk.note(f'the nested values of column "{column}" were kept as JSON text')
        return Out(column, f"CAST(to_json({name}) AS VARCHAR)", "VARCHAR")
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        desk.note(f'the times of column "{column}" were kept in UTC')
        return Out(column, f"CAST({name} AT TIME ZONE 'UTC' AS TIMESTAMP)", "TIMESTAMP")
    if kind in ("TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"):
        return Out(column, f"CAST({name} AS TIMESTAMP)", "TIMESTAMP")
    if kind.startswith(("DECIMAL", "HUGEINT", "UHUGEINT", "BIGNUM")):
        rounded = f"TRY_CAST(CAST({name} AS DOUBLE) AS {kind})"
        if ask(f"count_if({rounded} IS DISTINCT FROM {name})")[0]:
            too_long(desk, column)
            return Out(column, f"CAST({name} AS VARCHAR)", "VARCHAR")
        return Out(column, f"CAST({name} AS DOUBLE)", "DOUBLE")
    if kind.startswith(("UUID", "ENUM", "INTERVAL", "BIT", "TIME ", "TIME_NS", "GEOMETRY")):
        return Out(column, f"CAST({name} AS VARCHAR)", "VARCHAR")
    return Out(column, name, kind)


def refuse_bad_cells(
    desk: Desk, table: str, outs: list[Out], places: PlaceFinder | None = None
) -> str:
    """Reject the rows whose cells their column cannot take; return the SQL of the rows to keep."""
    checks = [out for out in outs if out.bad]
    if not checks:
        return "true"
    for out in checks:
        query = f"SELECT rowid, {quoted(out.name)} FROM {table} WHERE {out.bad} ORDER BY rowid"
        found = desk.connection.execute(query).fetchall()
        where = places([row for row, _ in found]) if places and found else {}
        for row, value in found:
            file, place = where.get(row, (None, f"row {row + 1:,}"))
            what = f'"{str(value)[:40]}" is {NOT_A[out.type]}'
            desk.reject(place, what, column=out.name, value=str(value), file=file)
    return " AND ".join(f"NOT coalesce({out.bad}, false)" for out in checks)


def hand_over(
    desk: Desk, table: str, outs: Sequence[Out], keep: str = "true", *, sample: str | None = None
) -> Arrived:
    """The query for the columns, with the names that the lake keeps for itself put in order.

    `sample` is a table of the same columns to look into where `table` is dear to read.
    """
    looked_at = sample or table
    selected: list[str] = []
    names: list[str] = []
    media: dict[str, str] = {}
    taken = {out.name.lower() for out in outs}
    for out in outs:
        name, sql = out.name, out.sql
        if name.lower() == ROW_ID:
            name = _free("source_rid", taken)
            desk.note(f'column "{out.name}" is called "{name}" here: "{ROW_ID}" is the row\'s id')
        elif name.lower() == SPLIT:
            normal = _normal_split(desk, looked_at, sql)
            if normal is None:
                name = _free("source_split", taken)
                desk.note(
                    f'column "{out.name}" is called "{name}" here: its values are not'
                    " train, validation and test"
                )
            else:
                name, sql = SPLIT, normal
        if out.type == "BLOB" and (kind := _media_in(desk, looked_at, sql)):
            media[name] = kind
        selected.append(f"{sql} AS {quoted(name)}")
        names.append(name)
    query = f"SELECT {', '.join(selected)} FROM {table} WHERE {keep}"
    return Arrived(query, tuple(names), media)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _normal_split(desk: Desk, table: str, sql: str) -> str | None:
    text = f"lower(trim(CAST({sql} AS VARCHAR)))"
    values = desk.connection.execute(
        f"SELECT DISTINCT {text} FROM {table} WHERE {sql} IS NOT NULL LIMIT 20"
    ).fetchall()
    if not values or any(value not in SPLIT_NAMES for (value,) in values):
        return None
    cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in SPLIT_NAMES.items())
    # A word that the rows looked at did not have ends the query, and they are looked at again.
    other = f"CASE WHEN {sql} IS NULL THEN NULL ELSE error('{DOUBT}') END"
    return f"CASE {text} {cases} ELSE {other} END"


def _media_in(desk: Desk, table: str, sql: str) -> str | None:
    """ "image" or "audio" where the first cells of a column of bytes all are that."""
    heads = desk.connection.execute(
        f"SELECT {sql}[1:16] FROM {table} WHERE {sql} IS NOT NULL LIMIT 5"
    ).fetchall()
    for kind, known in (("image", image_kind), ("audio", sound_kind)):
        if heads and all(known(bytes(head)) for (head,) in heads):
            return kind
    return None
