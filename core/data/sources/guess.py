"""What a column of text really holds: numbers, dates, truth values, or text.

A guess is made on the first rows and held against every cell while the rows are written. Where a
cell speaks against it, the column is settled on all of its cells.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.data.lake.layout import COLUMNS_AT_ONCE, ColumnT, cells_of, portions_of
from core.data.lake.moments import moment, names_zone
from core.data.lake.view import literal, quoted
from core.data.sources.desk import Desk

MISSING_MARKS = ("", "na", "n/a", "nan", "null", "none", "-", "?")
FIRST_ROWS = 4_096
# The whole numbers below are exact in a DOUBLE.
EXACT_INTEGERS = 1 << 53
LARGEST = sys.float_info.max
DOUBT = "the first rows guessed wrong"
USUAL_TIME, USUAL_FORMAT = "____-__-__ __:__:__", "%Y-%m-%d %H:%M:%S"
# By a format the reader takes no zone and nothing else that would be left out; but "epoch" becomes
# the first moment of 1970 (before DuckDB 2.0.1 of 1900, as "infinity" does), and a year may have
# two digits.
_MISREAD_TIME = (
    "{x} NOT BETWEEN TIMESTAMP '1000-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
    " OR {x} = TIMESTAMP '1970-01-01' OR {x} = TIMESTAMP '1900-01-01'"
)
FEW = 20
EXACT = ("BOOLEAN", "DATE", "TIMESTAMP")
NOT_A = {
    "BIGINT": "no whole number",
    "DOUBLE": "no number",
    "DATE": "no date",
    "TIMESTAMP": "no time",
    "BOOLEAN": "neither true nor false",
}
# Not a list to be looked for in: DuckDB joins with one, for each column once.
_MARKS = literal(f"(?i){'|'.join(map(re.escape, MISSING_MARKS))}")


def number_in(value: str) -> str:
    """SQL for whether a text is a number."""
    # DuckDB takes "1_000" for a number; here it is more often two numbers of a name.
    return f"coalesce(isfinite(TRY_CAST({value} AS DOUBLE)) AND NOT contains({value}, '_'), false)"


def _only(where: str, condition: str) -> str:
    """The condition, where a cheaper one holds: DuckDB works out both sides of an AND."""
    return f"CASE WHEN {where} THEN {condition} ELSE false END"


# Conditions on a cell `c` and on its trimmed value `v`, which is NULL where it marks a missing one.
FACTS = {
    "filled": "v IS NOT NULL",
    "number": number_in("v"),
    "comma number": number_in("replace(v, ',', '.')"),
    "leading zero": "regexp_matches(v, '^[+-]?0[0-9]')",
    "whole": _only("regexp_full_match(v, '[+-]?[0-9]+')", "TRY_CAST(v AS BIGINT) IS NOT NULL"),
    "too long": _only("regexp_full_match(v, '[+-]?[0-9]{18,}')", "TRY_CAST(v AS BIGINT) IS NULL"),
    "comma": "regexp_full_match(v, '[+-]?[0-9]*,[0-9]+')",
    "comma and three": "regexp_full_match(v, '[+-]?[0-9]+,[0-9][0-9][0-9]')",
    "marked": "c IS NOT NULL AND v IS NULL",
    "BOOLEAN": "lower(v) IN ('true', 'false')",
    "DATE": _only("v LIKE '____-__-__'", "TRY_CAST(v AS DATE) IS NOT NULL"),
    "TIMESTAMP": _only("v LIKE '____-__-__%'", f"{moment('v')} IS NOT NULL"),
    "usual time": f"v LIKE '{USUAL_TIME}'",
    "zone": _only("v LIKE '____-__-__%'", f"{names_zone('v')} AND {moment('v')} IS NOT NULL"),
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
    # A time zone, or AM and PM, would be left out without a word.
    "TIMESTAMP": "strlen({x}) <> 10 AND ({x}[14] <> ':' OR {x}[-1] NOT BETWEEN '0' AND '9' OR"
    " (strlen({x}) <> 16 AND ({x}[17] <> ':' OR strlen({x}) < 19 OR strlen({x}) > 26"
    " OR (strlen({x}) > 19 AND {x}[20] <> '.'))))",
    "BOOLEAN": "lower({x}) NOT IN ('true', 'false')",
    "EMPTY": "true",
}


# Of these a doubt does not see all: what is no date at all ends the query that makes one of it.
UNSURE = ("DATE", "TIMESTAMP", "EMPTY")


@dataclass(frozen=True)
class Out:
    """One column to keep: the SQL that makes it, and the SQL that finds cells `{x}` to refuse."""

    name: str
    sql: str
    type: str
    bad: str | None = None


@dataclass(frozen=True)
class Guess:
    """What the first rows make of a column.

    `doubt` finds later cells of text that differ. `read` is the type that DuckDB's reader may give
    the cells by itself; what its own doubts about a cell so read let through is seen in the bytes,
    by `Survey`. Times all have the `usual` form, or are looked at as text.
    """

    column: str
    type: str = "VARCHAR"
    doubt: str | None = None
    usual: bool = False

    @property
    def read(self) -> str:
        if self.type == "TIMESTAMP" and self.usual:
            return "TIMESTAMP"
        return "DOUBLE" if self.type in ("BIGINT", "DOUBLE") else "VARCHAR"

    def out(self, *, careful: bool) -> Out:
        """The column, written so that a cell which differs ends the query with `DOUBT`."""
        name = quoted(self.column)
        doubt = None
        if careful or self.read == "VARCHAR":
            if self.doubt:
                doubt = f"{name} IS NOT NULL AND ({DOUBTS[self.doubt].format(x=name)})"
        elif self.read == "TIMESTAMP":
            doubt = _MISREAD_TIME.format(x=name)
        elif self.type == "BIGINT":
            doubt = f"{name} <> trunc({name}) OR NOT abs({name}) < {EXACT_INTEGERS}"
        else:
            # Quicker than `isfinite`; what is no number is greater than all numbers.
            doubt = f"{name} NOT BETWEEN -{LARGEST!r} AND {LARGEST!r}"
        kept = name if self.type == "VARCHAR" else f"CAST({name} AS {self.type})"
        if doubt is not None:
            kept = f"CASE WHEN {doubt} THEN error('{DOUBT}') ELSE {kept} END"
        return Out(self.column, kept, self.type)

    @property
    def plain(self) -> Out:
        """The column of a table whose cells were all held against the guess."""
        name = quoted(self.column)
        return Out(self.column, f"CAST({name} AS {self.type})", self.type)


def guess(desk: Desk, sample: str, columns: Sequence[str]) -> list[Guess | None]:
    """What each column is by the rows of the table `sample`; None where only all rows can tell."""
    facts = count_facts(desk, sample, columns, few_rows=True)
    return [_guess(column, facts[column]) for column in columns]


def count_facts(
    desk: Desk,
    table: str,
    columns: Sequence[str],
    facts: Iterable[str] = FACTS,
    limit: str = "",
    *,
    few_rows: bool = False,
) -> dict[str, dict[str, int]]:
    """How many cells of each column are what the facts say. Of `few_rows` all columns are asked
    together: to plan a query for each would take longer than to run it."""
    asked = [*facts]
    counts = ", ".join(f"count(*) FILTER ({FACTS[fact]})" for fact in asked)
    found: dict[str, dict[str, int]] = {}
    for part in portions_of(columns, COLUMNS_AT_ONCE) if few_rows else portions(columns):
        few = f"(SELECT {', '.join(map(quoted, part))} FROM {table}{limit})"
        rows = desk.connection.execute(
            f"SELECT name, {counts} FROM (SELECT name, cell AS c, {value_of('cell')} AS v"
            f" FROM {cells_of(few, part)}) GROUP BY name"
        ).fetchall()
        found |= {name: dict(zip(asked, row, strict=True)) for name, *row in rows}
    # Of a table without rows there is nothing to count.
    return {column: found.get(column, dict.fromkeys(asked, 0)) for column in columns}


def portions(columns: Sequence[ColumnT]) -> Iterator[Sequence[ColumnT]]:
    """Columns to ask the same of in one query: of a few, one at a time, as DuckDB stores them."""
    return portions_of(columns, COLUMNS_AT_ONCE if len(columns) > FEW else 1)


def value_of(cell: str) -> str:
    """SQL for the trimmed text of a cell, which is NULL where it marks a missing one."""
    return f"CASE WHEN {is_mark(cell)} THEN NULL ELSE trim({cell}) END"


def is_mark(cell: str) -> str:
    """SQL for whether a text only marks a missing value."""
    return f"regexp_full_match(trim({cell}), {_MARKS})"


def doubted(desk: Desk, table: str, guesses: Sequence[Guess]) -> set[str]:
    """The columns of a table in which a cell is not what was guessed, where its text can tell."""
    found: set[str] = set()
    for doubt in dict.fromkeys(each.doubt for each in guesses if each.doubt is not None):
        named = [each.column for each in guesses if each.doubt == doubt]
        if doubt in UNSURE:
            found |= {*named}
            continue
        for part in portions(named):
            rows = desk.connection.execute(
                f"SELECT DISTINCT name FROM {cells_of(table, part)}"
                f" WHERE cell IS NOT NULL AND ({DOUBTS[doubt].format(x='cell')})"
            ).fetchall()
            found |= {name for (name,) in rows}
    return found


def _guess(column: str, facts: dict[str, int]) -> Guess | None:
    filled, numbers = facts["filled"], facts["number"]
    likely = max(numbers, facts["comma number"])
    exact = next((kind for kind in EXACT if filled and facts[kind] == filled), None)
    if not filled and not facts["marked"]:
        return Guess(column, doubt="EMPTY")
    if exact and not facts["marked"] and not facts["zone"]:
        return Guess(column, exact, exact, facts["usual time"] == filled)
    if likely * 2 < filled and not exact:
        return Guess(column)
    if numbers < filled or facts["marked"] or facts["leading zero"] or facts["too long"] or exact:
        return None
    kind = "BIGINT" if facts["whole"] == numbers else "DOUBLE"
    return Guess(column, kind, kind)
