"""Drift: how the rows of a version differ, as a whole, from those of another.

Numbers and categories are compared by the population stability index, the sum over bins of
(p - q) ln(p / q): under 0.1 little has changed, from 0.25 on much has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from core.data.cleaning.cells import valid
from core.data.lake.version import Column
from core.data.lake.view import SPLIT, View, literal, quoted
from core.data.profile import is_number
from core.data.quality.finding import Finding, examples_of

SOME, MUCH = 0.1, 0.25
BINS = 10
CATEGORIES = 50
# From so many values on, text is compared by its length.
MANY = 1000
MISSING = 0.05
TYPES = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "number"),
    **{"VARCHAR": "text", "DATE": "date", "TIMESTAMP": "timestamp", "BOOLEAN": "boolean"},
}


def check_drift(view: View, against: View) -> Iterator[Finding]:
    """Columns that came, went or changed, and how much more or fewer rows there are."""
    old, new = against.version, view.version
    yield from _columns(view, against)
    if new.rows > 2 * old.rows or 2 * new.rows < old.rows:
        yield Finding(
            "info",
            "drift-rows",
            None,
            new.rows,
            what=f"there are {new.rows:,} rows; in {old.ref} there are {old.rows:,}",
            hint="Look whether the source is whole, or brought rows twice.",
        )
    for column in new.columns:
        if column.name not in old.column_names or column.name == SPLIT:
            continue
        before = old.column(column.name)
        yield from _missing(view, against, column, before)
        if column.type == before.type or (is_number(column) and is_number(before)):
            yield from _values(view, against, column)


def _columns(view: View, against: View) -> Iterator[Finding]:
    old, new = against.version, view.version
    for name in old.column_names:
        if name not in new.column_names and name != SPLIT:
            yield Finding(
                "warning",
                "drift-gone",
                name,
                new.rows,
                what=f"{old.ref} has this column, {new.ref} does not",
                hint="Look whether the source names it otherwise now.",
            )
    for column in new.columns:
        if column.name not in old.column_names and column.name != SPLIT:
            yield Finding(
                "info",
                "drift-new",
                column.name,
                new.rows,
                what=f"{old.ref} does not have this column",
                hint="Leave it out if a model of the old columns is to read these rows.",
                mend={"do": "drop-columns", "columns": [column.name]},
            )
            continue
        before = old.column(column.name)
        if column.type != before.type:
            to = TYPES.get(before.type)
            yield Finding(
                "warning",
                "drift-type",
                column.name,
                new.rows,
                what=f"it is {column.type}; in {old.ref} it is {before.type}",
                hint="Look at the values that changed it, and turn the column back.",
                mend={"do": "cast", "columns": [column.name], "to": to} if to else None,
            )


def _missing(view: View, against: View, column: Column, before: Column) -> Iterator[Finding]:
    shares = []
    for side, own in ((against, before), (view, column)):
        (filled,) = side.sql(f"SELECT count({valid(own)}) FROM rows")[0]
        shares.append(1 - filled / side.version.rows)
    was, now = shares
    if now - was > MISSING:
        empty = f"{valid(column)} IS NULL"
        yield Finding(
            "warning",
            "drift-missing",
            column.name,
            round(now * view.version.rows),
            what=f"{now:.1%} of the values are missing; in {against.version.ref} {was:.1%}",
            hint="Look whether the source still fills the column.",
            examples=examples_of(view, empty),
            condition=empty,
        )


def _values(view: View, against: View, column: Column) -> Iterator[Finding]:
    number: str | None = None
    what = "the values lie"
    if is_number(column):
        number = f"CAST({quoted(column.name)} AS DOUBLE)"
        number = f"CASE WHEN isfinite({number}) THEN {number} END"
    elif column.type == "VARCHAR":
        name = quoted(column.name)
        (distinct,) = against.sql(f"SELECT approx_count_distinct({name}) FROM rows")[0]
        if distinct > MANY:
            number, what = f"CAST(length({name}) AS DOUBLE)", "the lengths of the texts lie"
    elif column.type != "BOOLEAN":
        return
    if number is None:
        yield from _categories(view, against, column)
        return
    quantiles = ", ".join(str(i / BINS) for i in range(1, BINS))
    (cuts,) = against.sql(f"SELECT quantile_cont({number}, [{quantiles}]) FROM rows")[0]
    if not cuts:
        return
    bins = " + ".join(f"CAST({number} > {cut!r} AS INTEGER)" for cut in sorted(set(cuts)))
    counts = [
        dict(side.sql(f"SELECT {bins} AS b, count(*) FROM rows GROUP BY 1 HAVING b IS NOT NULL"))
        for side in (against, view)
    ]
    every = range(len(set(cuts)) + 1)
    was, now = ([side.get(b, 0) for b in every] for side in counts)
    middles = [
        side.sql(f"SELECT median({number}), count({number}) FROM rows")[0]
        for side in (against, view)
    ]
    shown = f"the median is {middles[1][0]:g}, it was {middles[0][0]:g}" if middles[1][1] else ""
    yield from _told(view, against, column, (was, now), what=f"{what} elsewhere", shown=shown)


def _categories(view: View, against: View, column: Column) -> Iterator[Finding]:
    text = f"CAST({quoted(column.name)} AS VARCHAR)"
    query = f"SELECT {text}, count(*) AS n FROM rows WHERE {text} IS NOT NULL GROUP BY 1"
    commonest = [
        value for value, _ in against.sql(f"{query} ORDER BY n DESC, 1 LIMIT {CATEGORIES}")
    ]
    if not commonest:
        return
    listed = ", ".join(map(literal, commonest))
    kept = f"CASE WHEN {text} IN ({listed}) THEN {text} END"
    counts = [
        dict(side.sql(f"SELECT {kept}, count(*) FROM rows WHERE {text} IS NOT NULL GROUP BY 1"))
        for side in (against, view)
    ]
    every = [*commonest, None]
    was, now = ([side.get(value, 0) for value in every] for side in counts)
    if not sum(now) or not sum(was):
        return
    new = None
    if now[-1] and not was[-1]:
        new = f"{text} IS NOT NULL AND {text} NOT IN ({listed})"
        ((example,),) = view.sql(f"SELECT mode({text}) FROM rows WHERE {new}")
        rows = "row holds" if now[-1] == 1 else "rows hold"
        shown = f'{now[-1]:,} {rows} a value that is not there, such as "{example}"'
    else:
        value, before, after = max(
            zip(every, was, now, strict=True), key=lambda v: abs(v[2] / sum(now) - v[1] / sum(was))
        )
        name = "all other values" if value is None else f'"{value}"'
        shown = f"{name} {after / sum(now):.1%}, it was {before / sum(was):.1%}"
    what = "the shares of the values are others"
    yield from _told(view, against, column, (was, now), what=what, shown=shown, new=new)


def _told(
    view: View,
    against: View,
    column: Column,
    counts: tuple[Sequence[int], Sequence[int]],
    *,
    what: str,
    shown: str,
    new: str | None = None,
) -> Iterator[Finding]:
    """The finding, unless the counts (before, now) are alike; `new` finds the rows that are new."""
    was, now = counts
    if not sum(was) or not sum(now):
        return
    index = stability(was, now)
    if index < max(SOME, by_chance(was, now)):
        return
    target = column.name == view.version.target
    yield Finding(
        "warning" if index >= MUCH else "info",
        "drift-label" if target else "drift",
        column.name,
        now[-1] if new else sum(now),
        what=f"{what} than in {against.version.ref} (stability index {index:.2f}): {shown}",
        hint="A model that learned from the old rows may be wrong on these: judge it again.",
        examples=examples_of(view, new) if new else (),
        condition=new,
    )


def stability(was: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index of two lists of counts over the same bins.

    Half a row is added to each bin, so that an empty one has a logarithm.
    """
    index = 0.0
    for a, b in zip(was, now, strict=True):
        p = (a + 0.5) / (sum(was) + 0.5 * len(was))
        q = (b + 0.5) / (sum(now) + 0.5 * len(now))
        index += (q - p) * math.log(q / p)
    return index


def by_chance(was: Sequence[int], now: Sequence[int]) -> float:
    """What the index of two samples of the same rows hardly ever exceeds.

    Times n m / (n + m) it is nearly chi squared with one degree of freedom less than bins; this is
    four standard deviations above its mean.
    """
    free = max(sum(1 for a, b in zip(was, now, strict=True) if a or b) - 1, 1)
    return (free + 4 * math.sqrt(2 * free)) * (1 / sum(was) + 1 / sum(now))
