"""Table columns as features: numbers, dates and categories, each with what it learned."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from core.data.lake.view import View, quoted
from core.data.several_labels import label_text
from core.errors import LeptonError
from core.tasks.facts import ColumnFacts

Array = np.ndarray[Any, Any]
Where = tuple[str, list[Any]]

MOST_CATEGORIES = 1000
CATEGORY_UNKNOWN, CATEGORY_MISSING, _FIRST = 0, 1, 2
_DAY = 86_400.0
_PLAIN = frozenset({float, int, type(None)})
"""What numpy reads as we do, and much quicker."""


class UnreadableError(ValueError):
    """A value that is not what its column holds; `at` is its position."""

    def __init__(self, at: int, value: object, expected: str) -> None:
        super().__init__(f"{value!r} is no {expected}")
        self.at = at


@dataclass(frozen=True)
class Number:
    """A number or truth value, standardised; the median stands for a missing one.

    `missing` adds a second number, 1 where the value is missing, when training had such rows.
    """

    kind: ClassVar[str] = "number"
    column: str
    mean: float
    std: float
    median: float
    missing: bool

    @classmethod
    def learn(cls, view: View, column: ColumnFacts, where: Where) -> Number:
        return cls(column.name, *_moments(view, f"{quoted(column.name)}::DOUBLE", where))

    @property
    def width(self) -> int:
        return 1 + self.missing

    def encode(self, values: Any) -> Array:
        """float32 [n, width]; raises UnreadableError."""
        return _standardised(floats(values), self)


@dataclass(frozen=True)
class Date:
    """A date as its day, standardised, and as points on the circles of the year, week and day."""

    kind: ClassVar[str] = "date"
    column: str
    mean: float
    std: float
    median: float
    missing: bool

    @classmethod
    def learn(cls, view: View, column: ColumnFacts, where: Where) -> Date:
        days = f"epoch({quoted(column.name)}::TIMESTAMP) / {_DAY}"
        return cls(column.name, *_moments(view, days, where))

    @property
    def width(self) -> int:
        return 7 + self.missing

    def encode(self, values: Any) -> Array:
        """float32 [n, width]; raises UnreadableError."""
        days = days_of(values)
        filled = np.where(np.isnan(days), self.median, days)
        # Days from 1970 on, a Thursday; the mean year is near enough for a season.
        turns = np.stack([filled / 365.2425, filled / 7, filled], axis=1) * (2 * np.pi)
        circles = np.concatenate([np.sin(turns), np.cos(turns)], axis=1)
        return np.concatenate([_standardised(days, self), circles.astype(np.float32)], axis=1)


@dataclass(frozen=True)
class Category:
    """One of training's values, from 2 on; 0 for a value it did not have, 1 for a missing one."""

    kind: ClassVar[str] = "category"
    column: str
    values: tuple[str, ...]

    @classmethod
    def learn(cls, view: View, column: ColumnFacts, where: Where) -> Category:
        name = quoted(column.name)
        counted = view.sql(
            f"SELECT {name}, count(*) FROM rows WHERE {where[0]} AND {name} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_CATEGORIES}",
            where[1],
        )
        return cls(column.name, tuple(sorted(str(label_text(value)) for value, _ in counted)))

    @property
    def size(self) -> int:
        return len(self.values) + _FIRST

    def encode(self, values: Any) -> Array:
        """int64 [n]."""
        codes = {value: code for code, value in enumerate(self.values, _FIRST)}

        def code(value: object) -> int:
            text = label_text(value)
            return CATEGORY_MISSING if text is None else codes.get(text, CATEGORY_UNKNOWN)

        if isinstance(values, list):
            return np.array([code(value) for value in values], np.int64)
        # Each distinct value is looked up once, not each row.
        distinct = values.dictionary_encode()
        known = [*(code(value) for value in distinct.dictionary.to_pylist()), CATEGORY_MISSING]
        at = distinct.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
        coded: Array = np.array(known, np.int64)[at]
        return coded


Feature = Number | Date | Category
_KINDS: Mapping[str, type[Feature]] = {each.kind: each for each in (Number, Date, Category)}


def learn_feature(view: View, column: ColumnFacts, where: Where) -> Feature:
    """The feature for a column, learned from the rows of a condition."""
    if column.is_number or column.is_boolean:
        return Number.learn(view, column, where)
    return (Date if column.is_date else Category).learn(view, column, where)


def to_json(feature: Feature) -> dict[str, Any]:
    return {"kind": feature.kind, **asdict(feature)}


def from_json(facts: Mapping[str, Any]) -> Feature:
    rest = {name: value for name, value in facts.items() if name != "kind"}
    if "values" in rest:
        rest["values"] = tuple(rest["values"])
    return _KINDS[facts["kind"]](**rest)


def floats(values: Any) -> Array:
    """A column of numbers as float64 [n], NaN where missing; raises UnreadableError."""
    import pyarrow as pa

    if not isinstance(values, list) and (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_decimal(values.type)
    ):
        return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    if isinstance(values, list) and _PLAIN.issuperset(map(type, values)):
        with suppress(OverflowError):
            return np.array(values, np.float64)
    return _each(values, _float, "number")


def days_of(values: Any) -> Array:
    """A column of dates as days since 1970, float64 [n], NaN where missing; raises UnreadableError.

    Exact to the microsecond; what has a time zone is told in UTC.
    """
    return _each(values, _days, "date")


def _float(value: object) -> float:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return float(value.lower() == "true")
    if isinstance(value, bytes | dt.date):
        raise TypeError
    return float(value)  # type: ignore[arg-type]


def _days(value: object) -> float:
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value.strip())
    if not isinstance(value, dt.date):
        raise TypeError
    if not isinstance(value, dt.datetime):
        return float((value - dt.date(1970, 1, 1)).days)
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return (value - dt.datetime(1970, 1, 1)).total_seconds() / _DAY


def _each(values: Any, read: Callable[[object], float], expected: str) -> Array:
    numbers = np.full(len(values), np.nan)
    for at, value in enumerate(values if isinstance(values, list) else values.to_pylist()):
        if value is None or value == "":
            continue
        try:
            numbers[at] = read(value)
        except (TypeError, ValueError, OverflowError):
            raise UnreadableError(at, value, expected) from None
    return numbers


def _standardised(numbers: Array, learned: Number | Date) -> Array:
    missing = ~np.isfinite(numbers)
    filled = np.where(missing, learned.median, numbers)
    columns = [(filled - learned.mean) / learned.std]
    if learned.missing:
        columns.append(missing)
    return np.stack(columns, axis=1).astype(np.float32)


def _moments(view: View, value: str, where: Where) -> tuple[float, float, float, bool]:
    """Mean, standard deviation, median, and whether a value is missing; infinite counts as such."""
    import duckdb

    query = (
        f"SELECT avg(x), stddev_pop(x), median(x), count(*) FROM (SELECT {value} AS x FROM rows "
        f"WHERE {where[0]}) WHERE x IS NOT NULL AND isfinite(x)"
    )
    try:
        mean, std, median, there = view.sql(query, where[1])[0]
    except duckdb.OutOfRangeException as error:
        raise LeptonError(f"the numbers of {value} are too large to standardise") from error
    rows = view.sql(f"SELECT count(*) FROM rows WHERE {where[0]}", where[1])[0][0]
    if not there:
        return 0.0, 1.0, 0.0, bool(rows)
    return mean, std or 1.0, median, there < rows
