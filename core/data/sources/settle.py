"""What columns of text are by all of their cells."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.lake.moments import moment
from core.data.lake.version import TYPES
from core.data.lake.view import quoted
from core.data.sources.desk import Desk
from core.data.sources.guess import EXACT, FACTS, Out, count_facts, number_in, value_of
from core.data.sources.said import counted
from core.errors import UsageError, nearest

NUMBERS_ENOUGH = 0.95
SAMPLE = 20_000


def settle_texts(desk: Desk, table: str, columns: Sequence[str]) -> dict[str, Out]:
    """Decide what columns of text hold by all of their cells.

    A column of which 95 % of the cells are numbers is a number column, and the other cells are
    refused one by one: a person then sees them, instead of a number column that became text.
    """
    types = desk.options.types
    free = [column for column in columns if column not in types]
    sample = count_facts(desk, table, free, FACTS, f" LIMIT {SAMPLE}", few_rows=True)
    ((rows,),) = desk.connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    every: dict[str, dict[str, int]] = {}
    open_: dict[tuple[str, ...], list[str]] = {}
    for column, facts in sample.items():
        if asked := _left_open(facts):
            open_.setdefault(asked, []).append(column)
    for asked, alike in open_.items():
        if rows <= SAMPLE:
            every |= {column: sample[column] for column in alike}
        else:
            every |= count_facts(desk, table, alike, asked)
    return {
        column: _forced(desk, table, column, types[column])
        if column in types
        else _settled(desk, column, every.get(column))
        for column in columns
    }


def _left_open(sample: dict[str, int]) -> tuple[str, ...]:
    """What must be counted over the whole column, by its first cells; nothing where it is text."""
    likely = max(sample["number"], sample["comma number"])
    exact = any(sample[kind] == sample["filled"] for kind in EXACT)
    if sample["filled"] and likely * 2 < sample["filled"] and not exact:
        return ()
    always = ("filled", "number", "marked", "zone", "too long", "leading zero")
    return tuple(fact for fact in FACTS if sample[fact] or fact in always or not likely)


def _settled(desk: Desk, column: str, every: dict[str, int] | None) -> Out:
    """What a column is by the facts that were counted over all of it; text without any."""
    name, value = quoted(column), value_of("{x}")
    kept = Out(column, name, "VARCHAR")
    if every is None:
        return kept
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
        value = "{x}"
    if marked := every["marked"]:
        cells = counted(marked, "cell")
        desk.note(f'{cells} such as "NA" in the number column "{column}" taken for missing')
    kind = "BIGINT" if whole == numbers else "DOUBLE"
    bad = None
    if numbers < filled:
        bad = f"({value} IS NOT NULL AND NOT {number_in(value)})"
    return Out(column, f"TRY_CAST({value} AS {kind})".format(x=name), kind, bad)


def settle_times(desk: Desk, table: str, columns: Sequence[str]) -> dict[str, Out]:
    """Decide which columns of text, of a format that tells text from numbers, hold times."""
    facts = ("filled", "TIMESTAMP", "zone", "marked")
    left, found = [*columns], {column: Out(column, quoted(column), "VARCHAR") for column in columns}
    counts: dict[str, dict[str, int]] = {}
    for part in (f" LIMIT {SAMPLE}", ""):
        counts = count_facts(desk, table, left, facts, part)
        left = [
            column
            for column, of in counts.items()
            if of["filled"] and not of["marked"] and of["TIMESTAMP"] == of["filled"]
        ]
    for column in left:
        of = counts[column]
        found[column] = _exact(desk, column, "TIMESTAMP", of["filled"], of["zone"])
    return found


def _exact(desk: Desk, column: str, kind: str, filled: int, zoned: int) -> Out:
    value = value_of(quoted(column))
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
    kind, name, value = type_named(named), quoted(column), value_of("{x}")
    if kind == "VARCHAR":
        return Out(column, name, kind)
    cell = f"TRY_CAST({value} AS {kind})"
    holds = f"{cell} IS NOT NULL"
    if kind == "TIMESTAMP":
        cell = moment(value)
        holds = f"({cell}) IS NOT NULL"
        found = count_facts(desk, table, [column], ("filled", "zone"))[column]
        tell_of_zones(desk, column, found["filled"], found["zone"])
    if kind in ("BIGINT", "DOUBLE"):
        holds = number_in(value)
    if kind == "BIGINT":
        holds += f" AND TRY_CAST({value} AS DOUBLE) = TRY_CAST({value} AS BIGINT)"
    bad = f"({value} IS NOT NULL AND NOT coalesce({holds}, false))"
    return Out(column, cell.format(x=name), kind, bad)


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
