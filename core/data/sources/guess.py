"""What a column of text really holds: numbers, dates, truth values, or text.

A guess is made on the first rows and held against every cell while the rows are written. Where a
cell speaks against it, the column is settled on all of its cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.data.lake.moments import moment, names_zone
from core.data.lake.view import literal, quoted
from core.data.sources.desk import Desk
from core.data.sources.said import counted
from core.errors import UsageError, nearest

MISSING_MARKS = ("", "na", "n/a", "nan", "null", "none", "-", "?")
NUMBERS_ENOUGH = 0.95
SAMPLE = 20_000
FIRST_ROWS = 4_096
# The whole numbers below are exact in a DOUBLE.
EXACT_INTEGERS = 1 << 53
DOUBT = "the first rows guessed wrong"
EXACT = ("BOOLEAN", "DATE", "TIMESTAMP")
TYPES = {
    "integer": "BIGINT",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
NOT_A = {
    "BIGINT": "no whole number",
    "DOUBLE": "no number",
    "DATE": "no date",
    "TIMESTAMP": "no time",
    "BOOLEAN": "neither true nor false",
}
_MARKS = ", ".join(literal(mark) for mark in MISSING_MARKS)


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
    "too long": "regexp_full_match(v, '[+-]?[0-9]{18,}') AND TRY_CAST(v AS BIGINT) IS NULL",
    "comma": "regexp_full_match(v, '[+-]?[0-9]*,[0-9]+')",
    "comma and three": "regexp_full_match(v, '[+-]?[0-9]+,[0-9][0-9][0-9]')",
    "marked": "c IS NOT NULL AND v IS NULL",
    "BOOLEAN": "lower(v) IN ('true', 'false')",
    "DATE": "v LIKE '____-__-__' AND TRY_CAST(v AS DATE) IS NOT NULL",
    "TIMESTAMP": f"v LIKE '____-__-__%' AND {moment('v')} IS NOT NULL",
    "zone": f"v LIKE '____-__-__%' AND {names_zone('v')} AND {moment('v')} IS NOT NULL",
}
# What a cell {x} may not be when its column was guessed on a part of them.
DOUBTS = {
    # Only whole numbers as they would be written again: no zero in front, no point, no blanks.
    "BIGINT": "CAST(TRY_CAST({x} AS BIGINT) AS VARCHAR) IS DISTINCT FROM {x}",
    "DOUBLE": "NOT isfinite(coalesce(TRY_CAST({x} AS DOUBLE), 'inf')) OR contains({x}, '_')"
    " OR ({x} >= '00' AND {x} < '0:') OR ({x} >= '-00' AND {x} < '-0:')",
    # What is no date at all ends the query too, when it is cast; parsing it twice takes as long
    # as reading it.
    "DATE": "strlen({x}) <> 10",
    # A time zone, or AM and PM, would be left out without a word. The usual form is seen at once:
    # to look at single letters takes a tenth of the time that all else does.
    "TIMESTAMP": "strlen({x}) <> 10 AND ({x} NOT LIKE '_____________:__:__'"
    " OR TRY_CAST(right({x}, 2) AS UTINYINT) IS NULL)"
    " AND ({x}[14] <> ':' OR {x}[-1] NOT BETWEEN '0' AND '9' OR"
    " (strlen({x}) <> 16 AND ({x}[17] <> ':' OR strlen({x}) < 19 OR strlen({x}) > 26"
    " OR (strlen({x}) > 19 AND {x}[20] <> '.'))))",
    "BOOLEAN": "lower({x}) NOT IN ('true', 'false')",
    "EMPTY": "true",
}


@dataclass(frozen=True)
class Out:
    """One column to keep: the SQL that makes it, and the SQL that finds cells it must refuse."""

    name: str
    sql: str
    type: str
    bad: str | None = None


@dataclass(frozen=True)
class Guess:
    """What the first rows make of a column.

    `doubt` finds later cells of text that differ. `read` is the type that DuckDB's reader may give
    the cells by itself, and `quick` the SQL of the column and of its doubts for a cell so read;
    what that lets through is seen in the bytes, by `Survey`.
    """

    column: str
    type: str = "VARCHAR"
    doubt: str | None = None

    @property
    def read(self) -> str:
        return "DOUBLE" if self.type in ("BIGINT", "DOUBLE") else "VARCHAR"

    def out(self, *, careful: bool) -> Out:
        """The column, written so that a cell which differs ends the query with `DOUBT`."""
        name = quoted(self.column)
        doubt = None
        if careful or self.read == "VARCHAR":
            if self.doubt:
                doubt = f"{name} IS NOT NULL AND ({DOUBTS[self.doubt].format(x=name)})"
        elif self.type == "BIGINT":
            doubt = f"{name} <> trunc({name}) OR NOT abs({name}) < {EXACT_INTEGERS}"
        else:
            doubt = f"NOT isfinite({name})"
        kept = name if self.type == "VARCHAR" else f"CAST({name} AS {self.type})"
        if doubt is not None:
            kept = f"CASE WHEN {doubt} THEN error('{DOUBT}') ELSE {kept} END"
        return Out(self.column, kept, self.type)


def guess(desk: Desk, sample: str, columns: Sequence[str]) -> list[Guess] | None:
    """What the columns are by the rows of the table `sample`; None when only all rows can tell.

    The cells of all columns are looked at in one query, for there may be thousands of columns.
    """
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in FACTS.values())
    found = desk.connection.execute(
        f"SELECT name, {counts} FROM (SELECT name, cell AS c, {_value('cell')} AS v FROM {sample}"
        " UNPIVOT INCLUDE NULLS (cell FOR name IN (COLUMNS(*)))) GROUP BY name"
    ).fetchall()
    facts = {name: dict(zip(FACTS, row, strict=True)) for name, *row in found}
    # Of a sample without rows there is nothing to count.
    nothing = dict.fromkeys(FACTS, 0)
    guesses = [_guess(column, facts.get(column, nothing)) for column in columns]
    sure = [each for each in guesses if each is not None]
    return sure if len(sure) == len(guesses) else None


def _guess(column: str, facts: dict[str, int]) -> Guess | None:
    filled, numbers = facts["filled"], facts["number"]
    likely = max(numbers, facts["comma number"])
    exact = next((kind for kind in EXACT if filled and facts[kind] == filled), None)
    if not filled and not facts["marked"]:
        return Guess(column, doubt="EMPTY")
    if exact and not facts["marked"] and not facts["zone"]:
        return Guess(column, exact, exact)
    if likely * 2 < filled and not exact:
        return Guess(column)
    if numbers < filled or facts["marked"] or facts["leading zero"] or facts["too long"] or exact:
        return None
    kind = "BIGINT" if facts["whole"] == numbers else "DOUBLE"
    return Guess(column, kind, kind)


def settle_text(desk: Desk, table: str, column: str) -> Out:
    """Decide what a column of text holds by all of its cells.

    A column of which 95 % of the cells are numbers is a number column, and the other cells are
    refused one by one: a person then sees them, instead of a number column that became text.
    """
    if column in desk.options.types:
        return _forced(desk, table, column, desk.options.types[column])
    name, value = quoted(column), _value(column)
    kept = Out(column, name, "VARCHAR")
    sample = _count(desk, table, column, FACTS, f" LIMIT {SAMPLE}")
    likely = max(sample["number"], sample["comma number"])
    exact = [kind for kind in EXACT if sample[kind] == sample["filled"]]
    if sample["filled"] and likely * 2 < sample["filled"] and not exact:
        return kept
    # What the sample rules out need not be counted over the whole column.
    always = ("filled", "number", "marked", "zone", "too long", "leading zero")
    every = _count(
        desk, table, column, [f for f in FACTS if sample[f] or f in always or not likely]
    )
    filled, numbers = every["filled"], every["number"]
    if not filled or every["leading zero"]:
        return kept
    if every["too long"]:
        too_long(desk, column)
        return kept
    for kind in EXACT:
        if every.get(kind) == filled:
            return _exact(desk, column, kind, filled, every["zone"] if kind == "TIMESTAMP" else 0)
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
        cells = counted(marked, "cell")
        desk.note(f'{cells} such as "NA" in the number column "{column}" taken for missing')
    kind = "BIGINT" if whole == numbers else "DOUBLE"
    bad = None
    if numbers < filled:
        bad = f"({value} IS NOT NULL AND NOT {_number(value)})"
    return Out(column, f"TRY_CAST({value} AS {kind})", kind, bad)


def settle_times(desk: Desk, table: str, column: str) -> Out:
    """Decide whether a column of text, of a format that tells text from numbers, holds times."""
    facts = ("filled", "TIMESTAMP", "zone", "marked")
    for part in (f" LIMIT {SAMPLE}", ""):
        found = _count(desk, table, column, facts, part)
        if not found["filled"] or found["marked"] or found["TIMESTAMP"] < found["filled"]:
            return Out(column, quoted(column), "VARCHAR")
    return _exact(desk, column, "TIMESTAMP", found["filled"], found["zone"])


def _exact(desk: Desk, column: str, kind: str, filled: int, zoned: int) -> Out:
    value = _value(column)
    if not zoned:
        return Out(column, f"CAST({value} AS {kind})", kind)
    if zoned < filled:
        desk.note(
            f'{counted(filled - zoned, "time")} of column "{column}" without a time zone and'
            f" {zoned:,} with one: kept as text; --type takes them for times in UTC"
        )
        return Out(column, quoted(column), "VARCHAR")
    desk.note(f'the times of column "{column}" were kept in UTC')
    return Out(column, moment(value), "TIMESTAMP")


def _forced(desk: Desk, table: str, column: str, named: str) -> Out:
    """The column as the type that a person named for it; cells that cannot be are refused.

    Raises:
        UsageError: there is no such type.
    """
    kind = type_named(named)
    value = _value(column)
    if kind == "VARCHAR":
        return Out(column, quoted(column), kind)
    cell = f"TRY_CAST({value} AS {kind})"
    holds = f"{cell} IS NOT NULL"
    if kind == "TIMESTAMP":
        cell = moment(value)
        holds = f"({cell}) IS NOT NULL"
        found = _count(desk, table, column, ("filled", "zone"))
        tell_of_zones(desk, column, found["filled"], found["zone"])
    if kind in ("BIGINT", "DOUBLE"):
        holds = _number(value)
    if kind == "BIGINT":
        holds += f" AND TRY_CAST({value} AS DOUBLE) = TRY_CAST({value} AS BIGINT)"
    bad = f"({value} IS NOT NULL AND NOT coalesce({holds}, false))"
    return Out(column, cell, kind, bad)


def too_long(desk: Desk, column: str) -> None:
    """Note that a column of numbers is one of text, for a number would lose its last digits."""
    desk.note(f'the numbers of column "{column}" have too many digits; it was kept as text')


def tell_of_zones(desk: Desk, column: str, filled: int, zoned: int) -> None:
    """Note that times which name a zone became times in UTC, and how many name none."""
    if zoned:
        desk.note(f'the times of column "{column}" were kept in UTC')
    if zoned and filled > zoned:
        others = counted(filled - zoned, "time")
        desk.note(f'{others} of column "{column}" without a zone: taken for UTC')


def type_named(named: str) -> str:
    """The lake's type for the word a person uses.

    Raises:
        UsageError: there is no such type.
    """
    if named.lower() not in TYPES:
        raise UsageError(f'there is no type "{named}"', hint=nearest(named, TYPES))
    return TYPES[named.lower()]


def _value(column: str) -> str:
    name = quoted(column)
    return f"CASE WHEN lower(trim({name})) IN ({_MARKS}) THEN NULL ELSE trim({name}) END"


def _count(
    desk: Desk, table: str, column: str, facts: Iterable[str], limit: str = ""
) -> dict[str, int]:
    (row,) = desk.connection.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({FACTS[fact]})' for fact in facts)}"
        f" FROM (SELECT {quoted(column)} AS c, {_value(column)} AS v FROM {table}{limit})"
    ).fetchall()
    return dict(zip(facts, row, strict=True))
