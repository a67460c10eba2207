"""Columns on their way into the lake: what text really holds, and which types the lake keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


EXACT = ("BOOLEAN", "DATE", "TIMESTAMP")


def _number(value: str) -> str:
    # DuckDB takes "1_000" for a number; here it is more often two numbers of a name.
    return f"coalesce(isfinite(TRY_CAST({value} AS DOUBLE)) AND NOT contains({value}, '_'), false)"


# Conditions on a cell `c` and on its trimmed value `v`, which is NULL where it marks a missing one.
FACTS = {
    "filled": "v IS NOT NULL",
    "number": _number("v"),
    "comma number": _number("replace(v, ',', '.')"),
    "leading zero": "regexp_matches(v, '^[+-]?0[0-9]')",
    "whole": "TRY_CAST(v AS BIGINT) IS NOT NULL AND regexp_full_match(v, '[+-]?[0-9]+')",
    "comma": "regexp_full_match(v, '[+-]?[0-9]*,[0-9]+')",
    "comma and three": "regexp_full_match(v, '[+-]?[0-9]+,[0-9][0-9][0-9]')",
    "marked": "c IS NOT NULL AND v IS NULL",
    "BOOLEAN": "lower(v) IN ('true', 'false')",
    "DATE": "v LIKE '____-__-__' AND TRY_CAST(v AS DATE) IS NOT NULL",
    "TIMESTAMP": "v LIKE '____-__-__%' AND TRY_CAST(v AS TIMESTAMP) IS NOT NULL",
}


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
    kept = Out(column, name, "VARCHAR")

    def count(facts: Iterable[str], limit: str = "") -> dict[str, int]:
        row = desk.connection.execute(
            f"SELECT {', '.join(f'count(*) FILTER ({FACTS[fact]})' for fact in facts)}"
            f" FROM (SELECT {name} AS c, {value} AS v FROM {table}{limit})"
        ).fetchone()
        return dict(zip(facts, row or (), strict=True))

    sample = count(FACTS, f" LIMIT {SAMPLE}")
    likely = max(sample["number"], sample["comma number"])
    exact = [kind for kind in EXACT if sample[kind] == sample["filled"]]
    if sample["filled"] and likely * 2 < sample["filled"] and not exact:
        return kept
    # What the sample rules out need not be counted over the whole column.
    every = count(
        [f for f in FACTS if sample[f] or f in ("filled", "number", "marked") or not likely]
    )
    filled, numbers = every["filled"], every["number"]
    if not filled or every.get("leading zero"):
        return kept
    for kind in EXACT:
        if every.get(kind) == filled:
            return Out(column, f"CAST({value} AS {kind})", kind)
    whole = every.get("whole")
    if numbers < NUMBERS_ENOUGH * filled:
        commas = every.get("comma", 0)
        if every.get("comma number", 0) < NUMBERS_ENOUGH * filled or not commas:
            return kept
        if every.get("comma and three") == commas:
            desk.note(f'the commas in column "{column}" may mark thousands; it was kept as text')
            return kept
        desk.note(f'column "{column}" was read as numbers with a decimal comma')
        value, numbers, whole = f"replace({value}, ',', '.')", every["comma number"], 0
    elif not every["marked"]:
        value = name
    if marked := every["marked"]:
        desk.note(f'{marked:,} cells such as "NA" in the number column "{column}" count as missing')
    kind = "BIGINT" if whole == numbers else "DOUBLE"
    bad = None
    if numbers < filled:
        bad = f"({value} IS NOT NULL AND NOT {_number(value)})"
    return Out(column, f"TRY_CAST({value} AS {kind})", kind, bad)


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
