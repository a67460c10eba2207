"""Columns on their way into the lake: what text really holds, and which types the lake keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.data.sources.desk import Arrived, Desk
from core.data.sources.detect import image_kind
from core.data.view import ROW_ID, SPLIT, literal, quoted

MISSING_MARKS = ("", "na", "n/a", "nan", "null", "none", "-", "?")
NUMBERS_ENOUGH = 0.95
SAMPLE = 20_000
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

LineFinder = Callable[[list[int]], dict[int, str]]
"""Finds where rows of the table stood in the source: `finder(row ids) -> {row id: "line 7"}`."""


@dataclass(frozen=True)
class Out:
    """One column to keep: the SQL that makes it, and the SQL that finds cells it must refuse."""

    name: str
    sql: str
    type: str
    bad: str | None = None


def settle_text(desk: Desk, table: str, column: str) -> Out:
    """Decide what a column of text holds: numbers, dates, truth values, or text.

    A column of which 95 % of the cells are numbers is a number column, and the other cells are
    refused one by one: a person then sees them, instead of a number column that became text.
    """
    name = quoted(column)
    marks = ", ".join(literal(mark) for mark in MISSING_MARKS)
    value = f"CASE WHEN lower(trim({name})) IN ({marks}) THEN NULL ELSE trim({name}) END"
    dotted = "replace(v, ',', '.')"
    kept = Out(column, name, "VARCHAR")

    def count(limit: str) -> tuple[int, ...]:
        row = desk.connection.execute(
            f"""SELECT count(v), count(*) FILTER ({_number("v")}),
                count(*) FILTER ({_number(dotted)}),
                count(*) FILTER (regexp_matches(v, '^[+-]?0[0-9]')),
                count(*) FILTER (lower(v) IN ('true', 'false')),
                count(*) FILTER (v LIKE '____-__-__' AND TRY_CAST(v AS DATE) IS NOT NULL),
                count(*) FILTER (TRY_CAST(v AS TIMESTAMP) IS NOT NULL),
                count(*) FILTER (regexp_full_match(v, '[+-]?[0-9]+')
                                 AND TRY_CAST(v AS BIGINT) IS NOT NULL),
                count(*) FILTER (regexp_full_match(v, '[+-]?[0-9]*,[0-9]+')),
                count(*) FILTER (regexp_full_match(v, '[+-]?[0-9]+,[0-9][0-9][0-9]')),
                count({name}) - count(v)
            FROM (SELECT {name}, {value} AS v FROM {table}{limit})"""
        ).fetchone()
        assert row is not None
        return tuple(int(n) for n in row)

    filled, numbers, dotted_numbers, zeros, *_ = sample = count(f" LIMIT {SAMPLE}")
    exact = max(sample[4:7])
    if filled and max(numbers, dotted_numbers) * 2 < filled and exact < filled:
        return kept
    filled, numbers, dotted_numbers, zeros, truths, dates, times, whole, commas, triples, marked = (
        count("")
    )
    if not filled or zeros:
        return kept
    for found, kind in ((truths, "BOOLEAN"), (dates, "DATE"), (times, "TIMESTAMP")):
        if found == filled:
            return Out(column, f"CAST({value} AS {kind})", kind)
    if numbers < NUMBERS_ENOUGH * filled:
        if dotted_numbers < NUMBERS_ENOUGH * filled or not commas:
            return kept
        if triples == commas:
            desk.note(f'the commas in column "{column}" may mark thousands; it was kept as text')
            return kept
        desk.note(f'column "{column}" was read as numbers with a decimal comma')
        value, numbers, whole = f"replace({value}, ',', '.')", dotted_numbers, 0
    if marked:
        desk.note(f'{marked:,} cells such as "NA" in the number column "{column}" count as missing')
    kind = "BIGINT" if whole == numbers else "DOUBLE"
    bad = None
    if numbers < filled:
        bad = f"({value} IS NOT NULL AND NOT {_number(value)})"
    return Out(column, f"TRY_CAST({value} AS {kind})", kind, bad)


def _number(value: str) -> str:
    return f"coalesce(isfinite(TRY_CAST({value} AS DOUBLE)), false)"


def lake_type(desk: Desk, column: str, kind: str) -> Out:
    """Make a typed column one of the types that the lake, and the tasks above it, work with."""
    name = quoted(column)
    if kind == HF_IMAGE:
        return Out(column, f"struct_extract({name}, 'bytes')", "BLOB")
    if kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")) or kind.endswith("]"):
        desk.note(f'the nested values of column "{column}" were kept as JSON text')
        return Out(column, f"CAST(to_json({name}) AS VARCHAR)", "VARCHAR")
    if kind == "TIMESTAMP WITH TIME ZONE":
        desk.note(f'the times of column "{column}" were kept in UTC')
        return Out(column, f"({name} AT TIME ZONE 'UTC')", "TIMESTAMP")
    if kind.startswith(("DECIMAL", "HUGEINT", "UHUGEINT", "BIGNUM")):
        return Out(column, f"CAST({name} AS DOUBLE)", "DOUBLE")
    if kind.startswith(("UUID", "ENUM", "INTERVAL", "BIT", "TIME ", "TIME_NS", "GEOMETRY")):
        return Out(column, f"CAST({name} AS VARCHAR)", "VARCHAR")
    return Out(column, name, kind)


def refuse_bad_cells(
    desk: Desk, table: str, outs: list[Out], lines: LineFinder | None = None
) -> str:
    """Reject the rows whose cells no number column can take; return the SQL of the rows to keep."""
    checks = [out for out in outs if out.bad]
    if not checks:
        return "true"
    for out in checks:
        query = f"SELECT rowid, {quoted(out.name)} FROM {table} WHERE {out.bad} ORDER BY rowid"
        found = desk.connection.execute(query).fetchall()
        first = [row for row, _ in found[:100]]
        where = lines(first) if lines else {row: f"row {row + 1:,}" for row in first}
        for row, value in found:
            desk.reject(
                where.get(row, f"row {row + 1:,}"),
                f'"{value[:40]}" is no number',
                column=out.name,
                value=value,
            )
    return " AND ".join(f"NOT coalesce({out.bad}, false)" for out in checks)


def hand_over(desk: Desk, table: str, outs: list[Out], keep: str = "true") -> Arrived:
    """The query for the columns, with the names that the lake keeps for itself put in order."""
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
            normal = _normal_split(desk, table, sql)
            if normal is None:
                name = _free("source_split", taken)
                desk.note(
                    f'column "{out.name}" is called "{name}" here: its values are not'
                    " train, validation and test"
                )
            else:
                name, sql = SPLIT, normal
        if out.type == "BLOB" and _holds_images(desk, table, sql):
            media[name] = "image"
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
    return f"CASE {text} {cases} END"


def _holds_images(desk: Desk, table: str, sql: str) -> bool:
    heads = desk.connection.execute(
        f"SELECT {sql} FROM {table} WHERE {sql} IS NOT NULL LIMIT 5"
    ).fetchall()
    return bool(heads) and all(image_kind(bytes(head)) for (head,) in heads)
