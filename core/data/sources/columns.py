"""Columns on their way into the lake: what text really holds, and which types the lake keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.data.lake.layout import COLUMNS_AT_ONCE, cells_of, portions_of
from core.data.lake.moments import moment, names_zone
from core.data.lake.view import ROW_ID, SPLIT, literal, quoted
from core.data.sources.desk import Arrived, Desk
from core.data.sources.guess import DOUBT, NOT_A, Out, portions
from core.data.sources.settle import tell_of_zones, too_long, type_named
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
# No column of a person's is called that.
PLACE = "__place"
HF_IMAGE = "STRUCT(bytes BLOB, path VARCHAR)"

Ask = Callable[[str], tuple[Any, ...]]
Place = tuple[str | None, str]
PlaceFinder = Callable[[list[int]], dict[int, Place]]
"""Finds where rows of the table stood: `finder(row ids) -> {row id: (file or None, "line 7")}`."""

__all__ = ["Out", "hand_over", "lake_type", "refuse_bad_cells"]


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
    alike: dict[str, list[str]] = {}
    for out in outs:
        if out.bad:
            alike.setdefault(out.bad, []).append(out.name)
    found: dict[str, list[tuple[int, str]]] = {}
    for bad, named in alike.items():
        for part in portions(named):
            for row, name, value in desk.connection.execute(
                f"SELECT {PLACE}, name, cell FROM {cells_of(table, part, f'rowid AS {PLACE}')}"
                f" WHERE {bad.format(x='cell')} ORDER BY {PLACE}"
            ).fetchall():
                found.setdefault(name, []).append((row, value))
    checks = [out for out in outs if out.name in found]
    for out in checks:
        where = places([row for row, _ in found[out.name]]) if places else {}
        for row, value in found[out.name]:
            file, place = where.get(row, (None, f"row {row + 1:,}"))
            what = f'"{str(value)[:40]}" is {NOT_A[out.type]}'
            desk.reject(place, what, column=out.name, value=str(value), file=file)
    if len(checks) > COLUMNS_AT_ONCE:
        rows = sorted({row for each in found.values() for row, _ in each})
        desk.connection.execute("CREATE OR REPLACE TEMP TABLE refused (place BIGINT)")
        desk.connection.execute("INSERT INTO refused SELECT unnest(?::BIGINT[])", [rows])
        return "rowid NOT IN (SELECT place FROM refused)"
    conditions = [str(out.bad).format(x=quoted(out.name)) for out in checks]
    return " AND ".join(f"NOT coalesce({bad}, false)" for bad in conditions) or "true"


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
    made = sum(out.sql != quoted(out.name) for out in outs)
    if sample is None and made > COLUMNS_AT_ONCE:
        query = _in_portions(desk, table, selected, names, keep)
    return Arrived(query, tuple(names), media)


def _in_portions(
    desk: Desk, table: str, selected: Sequence[str], names: Sequence[str], keep: str
) -> str:
    """The query over a table's columns that were made a part of them at a time, side by side.

    What DuckDB holds for each expression of a query is as long as its rows are at once: of
    thousands of columns it is all of the memory.
    """
    parts: list[str] = []
    for part in portions_of(selected, COLUMNS_AT_ONCE):
        parts.append(f"made_{len(parts)}")
        desk.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {parts[-1]} AS SELECT {', '.join(part)} FROM {table}"
        )
    condition = "true"
    if keep != "true":
        # In order: a join may lose it, and they lie side by side.
        desk.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE kept AS SELECT {keep} AS {PLACE} FROM {table}"
            " ORDER BY rowid"
        )
        parts.append("kept")
        condition = PLACE
    listed = ", ".join(map(quoted, names))
    return f"SELECT {listed} FROM {' POSITIONAL JOIN '.join(parts)} WHERE {condition}"


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
