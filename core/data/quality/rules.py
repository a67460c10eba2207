"""The kinds of rules that a person writes: what must hold, and in which rows it does not.

A rule fails where its condition is true; a missing value breaks no rule but `not-null`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from core.data.cleaning.cells import valid
from core.data.cleaning.expression import check_expression
from core.data.engine import connect
from core.data.lake.layout import literal, quoted, readable
from core.data.lake.version import FRACTIONS, Column, Version
from core.data.profile import is_number
from core.data.quality.duration import rounded, seconds_of
from core.errors import UsageError

Ask = Callable[[str], list[tuple[Any, ...]]]
Scalar = str | int | float | bool | dt.date | dt.datetime


@dataclass(frozen=True)
class Broken:
    """How a rule is broken: in words, and by which rows where there are such.

    `condition` is SQL that is true for them; `mend` is a step that makes the rule hold.
    """

    what: str
    rows: int
    condition: str | None = None
    mend: dict[str, Any] | None = None


@dataclass(frozen=True)
class Rule:
    """One rule. A field whose name is a word of Python's ends in `_`; the setting does not."""

    check: ClassVar[str]
    help: ClassVar[str]
    example: ClassVar[str]
    typed_sql: ClassVar[bool] = False
    """Whether a person's SQL is in it, so that it has to run behind a lock."""

    why: str = field(default="", kw_only=True)
    """What a person should know when the rule fails."""

    def refuse(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            UsageError: they do not.
        """

    @property
    def column_name(self) -> str | None:
        """The column it is about, if it is one."""
        columns: Sequence[str] = getattr(self, "columns", ())
        return getattr(self, "column", None) or (columns[0] if len(columns) == 1 else None)

    def in_words(self) -> str:
        """What must hold, in a few words."""
        raise NotImplementedError

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        """How the rows of a version break it, None where it holds; `ask` runs SQL over `rows`.

        Raises:
            UsageError: it does not suit the columns.
        """
        raise NotImplementedError


def _by_rows(
    ask: Ask, condition: str, words: tuple[str, str], mend: dict[str, Any] | None = None
) -> Broken | None:
    """What is broken by the rows for which a condition is true; words for one row and for more."""
    ((count,),) = ask(f"SELECT count(*) FROM rows WHERE {condition}")
    if not count:
        return None
    what = f"1 row {words[0]}" if count == 1 else f"{count:,} rows {words[1]}"
    return Broken(what, int(count), condition, mend)


@dataclass(frozen=True)
class NotNull(Rule):
    check: ClassVar[str] = "not-null"
    help: ClassVar[str] = "No value is missing in these columns."
    example: ClassVar[str] = 'columns = ["id", "date"]'

    columns: tuple[str, ...]

    def in_words(self) -> str:
        return f"{_and(self.columns)} always there"

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        found = [version.column(name) for name in self.columns]
        empty = " OR ".join(f"{valid(column)} IS NULL" for column in found)
        which = "it" if len(found) == 1 else "one of them"
        mend = {"do": "drop-rows", "columns": list(self.columns)}
        return _by_rows(ask, empty, (f"lacks {which}", f"lack {which}"), mend)


@dataclass(frozen=True)
class Range(Rule):
    check: ClassVar[str] = "range"
    help: ClassVar[str] = "Numbers, or dates, lie between min and max; one of the two is enough."
    example: ClassVar[str] = 'column = "age"\nmin = 0\nmax = 120'

    column: str
    min: int | float | dt.date | dt.datetime | None = None
    max: int | float | dt.date | dt.datetime | None = None

    def refuse(self) -> None:
        if self.min is None and self.max is None:
            raise UsageError('"min" or "max" has to be there')

    def in_words(self) -> str:
        if self.min is None:
            return f"{self.column} at most {self.max}"
        if self.max is None:
            return f"{self.column} at least {self.min}"
        return f"{self.column} from {self.min} to {self.max}"

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        column = version.column(self.column)
        dates = column.type == "DATE" or column.type.startswith("TIMESTAMP")
        number = is_number(column) or column.type.startswith(("DECIMAL", "HUGEINT", "UHUGEINT"))
        if not dates and not number:
            raise UsageError(f'column "{column.name}" is {column.type}: it has no range')
        cell = quoted(column.name) if dates else f"CAST({quoted(column.name)} AS DOUBLE)"
        parts: list[str] = []
        kept: list[str] = []
        for bound, sign, other in ((self.min, "<", ">="), (self.max, ">", "<=")):
            if bound is None:
                continue
            if isinstance(bound, dt.date) != dates:
                wanted = "a date, such as 2024-01-31" if dates else "a number"
                raise UsageError(f'"min" and "max" of column "{column.name}" have to be {wanted}')
            parts.append(f"{cell} {sign} {_bound(bound)}")
            kept.append(f"{readable(column.name)} {other} {_bound(bound)}")
        outside = f"{valid(column)} IS NOT NULL AND ({' OR '.join(parts)})"
        if column.type in FRACTIONS:
            # It counts as missing, and DuckDB holds it for the greatest number.
            kept = [f"isnan({readable(column.name)}) OR {' AND '.join(kept)}"]
        mend = _keep(column, " AND ".join(kept))
        return _by_rows(ask, outside, ("lies outside", "lie outside"), mend)


def _bound(bound: float | dt.date) -> str:
    if isinstance(bound, dt.datetime):
        return f"TIMESTAMP {literal(bound.isoformat())}"
    if isinstance(bound, dt.date):
        return f"DATE {literal(bound.isoformat())}"
    return repr(bound) if math.isfinite(bound) else f"CAST({literal(repr(bound))} AS DOUBLE)"


def _keep(column: Column, condition: str) -> dict[str, Any]:
    """The step that keeps rows where a condition holds, and those where the value is missing."""
    return {"do": "filter", "where": f"{readable(column.name)} IS NULL OR {condition}"}


@dataclass(frozen=True)
class Regex(Rule):
    check: ClassVar[str] = "regex"
    help: ClassVar[str] = "Each whole value matches a regular expression (RE2)."
    example: ClassVar[str] = "column = \"zip\"\npattern = '[0-9]{4}'"

    column: str
    pattern: str

    def refuse(self) -> None:
        import duckdb

        with connect() as connection:
            try:
                connection.execute("SELECT regexp_full_match('', ?)", [self.pattern])
            except duckdb.Error as error:
                reason = str(error).splitlines()[0].partition("Error: ")[2]
                raise UsageError(f'"pattern" is no regular expression: {reason}') from error

    def in_words(self) -> str:
        return f"{self.column} like {self.pattern}"

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        column = version.column(self.column)
        text = readable(column.name)
        if column.type != "VARCHAR":
            text = f"CAST({text} AS VARCHAR)"
        matches = f"regexp_full_match({text}, {literal(self.pattern)})"
        odd, mend = f"NOT {matches}", _keep(column, matches)
        return _by_rows(ask, odd, ("does not match", "do not match"), mend)


@dataclass(frozen=True)
class Unique(Rule):
    check: ClassVar[str] = "unique"
    help: ClassVar[str] = "No two rows have the same value, or the same values together."
    example: ClassVar[str] = 'columns = ["shop", "day"]'

    columns: tuple[str, ...]

    def in_words(self) -> str:
        return f"{_and(self.columns)} only once" + (" together" if len(self.columns) > 1 else "")

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        names = ", ".join(quoted(version.column(name).name) for name in self.columns)
        there = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.columns)
        again = (
            f"{there} AND ({names}) IN"
            f" (SELECT ({names}) FROM rows GROUP BY {names} HAVING count(*) > 1)"
        )
        if len(self.columns) == 1:
            again = again.replace(f"(SELECT ({names})", f"(SELECT {names}")
        mend = {"do": "drop-duplicates", "columns": list(self.columns)}
        words = ("has the values of another", "have the values of another")
        return _by_rows(ask, again, words, mend)


@dataclass(frozen=True)
class Allowed(Rule):
    check: ClassVar[str] = "allowed"
    help: ClassVar[str] = "Each value is one of these."
    example: ClassVar[str] = 'column = "size"\nvalues = ["S", "M", "L"]'

    column: str
    values: tuple[Scalar, ...]

    def in_words(self) -> str:
        few = ", ".join(map(str, self.values[:5]))
        return f"{self.column} one of {few}" + (", …" if len(self.values) > 5 else "")

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        column = version.column(self.column)
        cell = quoted(column.name)
        kind = column.type
        if kind.startswith(("BLOB", "STRUCT", "MAP", "UNION")) or kind.endswith("]"):
            raise UsageError(f'column "{column.name}" is {kind}: its values cannot be listed')
        number = is_number(column)
        if any(number != _is_number(value) for value in self.values):
            wanted = "numbers" if number else "text, true or false, or dates"
            raise UsageError(f'"values" of column "{column.name}" have to be {wanted}')
        if number:
            cell = f"CAST({cell} AS DOUBLE)"
            each = [_bound(value) for value in self.values if isinstance(value, int | float)]
        elif kind == "VARCHAR":
            each = [literal(_text(value)) for value in self.values]
        else:
            each = [f"CAST({literal(_text(value))} AS {kind})" for value in self.values]
        listed = ", ".join(each)
        try:
            ask(f"SELECT [{listed}]")
        except UsageError as error:
            raise UsageError(
                f'"values" of column "{column.name}" have to be {kind}: {error.what}'
            ) from error
        odd = f"{cell} NOT IN ({listed})"
        mend = _keep(column, f"{readable(column.name)} IN ({listed})")
        return _by_rows(ask, odd, ("holds another value", "hold another value"), mend)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


@dataclass(frozen=True)
class Fresh(Rule):
    check: ClassVar[str] = "fresh"
    help: ClassVar[str] = (
        "The newest value of a date column, in UTC, or the version itself without a column, is no"
        " older than this: 90s, 15m, 1h, 1d, 2w."
    )
    example: ClassVar[str] = 'column = "day"\nat-most = "1d"'

    at_most: str
    column: str | None = None

    def refuse(self) -> None:
        seconds_of(self.at_most)

    def in_words(self) -> str:
        return f"{self.column or 'the version'} at most {self.at_most} old"

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        newest = self._newest(version, ask)
        if newest is None:
            return Broken("there is no date to go by", version.rows)
        age = (dt.datetime.now(dt.UTC) - newest).total_seconds()
        if age <= seconds_of(self.at_most):
            return None
        return Broken(
            f"the newest is of {newest:%Y-%m-%d %H:%M} UTC, {rounded(age)} old", version.rows
        )

    def _newest(self, version: Version, ask: Ask) -> dt.datetime | None:
        if self.column is None:
            return dt.datetime.fromisoformat(version.created)
        column = version.column(self.column)
        if column.type != "DATE" and not column.type.startswith("TIMESTAMP"):
            raise UsageError(
                f'column "{column.name}" is {column.type}, no date',
                hint="Make dates of it: lepton data clean"
                f" {version.dataset} --step 'parse-dates columns={column.name}'",
            )
        name = quoted(column.name)
        cell = f"max({name})"
        if column.type == "DATE":
            # A day lasts until its end.
            cell += " + INTERVAL 1 DAY"
        if "WITH TIME ZONE" not in column.type:
            cell = f"CAST({cell} AS TIMESTAMP)"
        ((newest,),) = ask(f"SELECT epoch_us({cell}) FROM rows WHERE isfinite({name})")
        if newest is None:
            return None
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=newest)


@dataclass(frozen=True)
class Rows(Rule):
    check: ClassVar[str] = "rows"
    help: ClassVar[str] = "There are at least min and at most max rows; one of the two is enough."
    example: ClassVar[str] = "min = 1000"

    min: int | None = None
    max: int | None = None

    def refuse(self) -> None:
        if self.min is None and self.max is None:
            raise UsageError('"min" or "max" has to be there')

    def in_words(self) -> str:
        words = [f"at least {self.min:,}"] if self.min is not None else []
        words += [f"at most {self.max:,}"] if self.max is not None else []
        return f"{' and '.join(words)} rows"

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        few = self.min is not None and version.rows < self.min
        many = self.max is not None and version.rows > self.max
        return Broken(f"there are {version.rows:,}", version.rows) if few or many else None


@dataclass(frozen=True)
class Sql(Rule):
    check: ClassVar[str] = "sql"
    help: ClassVar[str] = "An SQL condition over the columns is true, or unknown, for every row."
    example: ClassVar[str] = 'where = "start <= finish AND price > 0"'
    typed_sql: ClassVar[bool] = True

    where: str

    def refuse(self) -> None:
        check_expression(self.where)

    def in_words(self) -> str:
        return " ".join(self.where.split())

    def broken(self, version: Version, ask: Ask) -> Broken | None:
        # A comment at its end would take the bracket along.
        end = "\n" if "--" in self.where else ""
        holds = f"coalesce(CAST(({self.where}{end}) AS BOOLEAN), true)"
        mend = {"do": "filter", "where": holds}
        return _by_rows(ask, f"NOT {holds}", ("is otherwise", "are otherwise"), mend)


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


KINDS: dict[str, type[Rule]] = {
    rule.check: rule for rule in (NotNull, Range, Regex, Unique, Allowed, Fresh, Rows, Sql)
}
