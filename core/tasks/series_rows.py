"""Which columns of a data set are a series, and its rows in order of time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from core.data.lake.layout import among
from core.data.lake.moments import moment
from core.data.lake.view import ROW_ID, SPLIT, View, literal, quoted
from core.errors import LeptonError, UsageError
from core.tasks.base import Fit
from core.tasks.facts import ColumnFacts, TableFacts, described
from core.tasks.features import Feature
from core.tasks.rows import condition
from core.tasks.table import choose_inputs

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

# A blank before them: no column of a person's is called so.
_SERIES, _TIME, _VALUE, _INSIDE = " series", " time", " value", " inside"
_ASKED, _AT, _OF = '" asked"', '" at"', '" of"'
_NAMES = ("value", "y", "target")
_FIGURES = re.compile(r"\d{1,4}[-./ ]\w{1,9}[-./ ,]+\d{1,4}|\d{8}")
_NAMED = 3
_LEAST_TIMES = 10
_NEARLY = 0.9


@dataclass(frozen=True)
class Roles:
    """What the columns are: when, how much, which series, and numbers known of the past."""

    time: str
    value: str
    series: str | None
    past: tuple[str, ...]

    @classmethod
    def of(cls, fit: Fit, view: View, series: str = "") -> Self:
        """The columns of a fit; `series` names the column that tells the series apart.

        Raises:
            UsageError: there is no such column, or it tells no series apart.
        """
        time, *others = fit.inputs
        texts = [name for name in others if described(view, name).is_text]
        own = series or next(iter(texts), None)
        if series:
            found = described(view, series)
            if series in (time, fit.target) or not (found.is_text or found.is_whole):
                raise UsageError(
                    f"series={series} cannot be: it is a column of names or whole numbers",
                    where=view.version.ref,
                )
        return cls(time, fit.target, own, tuple(n for n in others if n not in texts and n != own))

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.time, self.value, *self.past, *([self.series] if self.series else []))


@dataclass(frozen=True)
class SeriesRows:
    """The rows of one series. Times are int64 microseconds, values float64 with NaN for none,
    `past` [n, k] what else is known of each, `inside` whether a row is of the split."""

    name: str
    times: Array
    values: Array
    past: Array
    rids: Array
    inside: Array
    where: str

    def only(self, kept: Array) -> SeriesRows:
        return replace(
            self,
            times=self.times[kept],
            values=self.values[kept],
            past=self.past[kept],
            rids=self.rids[kept],
            inside=self.inside[kept],
        )


def fit(
    task: str, facts: TableFacts, target: str | None, inputs: Sequence[str] | None
) -> Fit | None:
    """The time is the date column with the most values, the series the text that makes times that
    repeat differ, and all other numbers are known of the past."""
    able, notes = choose_inputs(facts, target or "", None)
    numbers = [facts.column(n) for n in able if facts.column(n).is_number]
    named = [facts.column(name) for name in inputs or able if name != target]
    times = [each for each in named if each.is_date]
    free = [each for each in numbers if each.name not in (inputs or ())]
    # A number that never changes is no input, but it may be meant, and is told of then.
    every = [each for each in facts.columns if each.is_number and each.name not in (inputs or ())]
    answer = facts.column(target) if target else _answer(free or every)
    if not times or answer is None or not answer.is_number:
        return None
    time = max(times, key=lambda each: each.distinct)
    series = _series(facts, time, [each for each in named if each.is_text])
    past = [e.name for e in named if (e.is_number or e.is_boolean) and e.name != answer.name]
    texts = [each.name for each in named if each.is_text and each is not series]
    notes = (*notes, *(f"{name} is left out: the task reads numbers" for name in texts))
    even = series is not None or time.distinct >= _NEARLY * (facts.rows - time.nulls)
    alone = [each.name for each in numbers] in ([], [answer.name])
    # Measurements as they were taken: a day a row, and numbers behind it. Who names one of them
    # may as well mean to tell it from the others of its row.
    log = (
        target is None
        and facts.columns[0].name == time.name
        and len(numbers) == len(facts.columns) - 1
    )
    certain = even and not texts and (alone or log)
    score = (0.7 if certain else 0.25) if even and time.distinct >= _LEAST_TIMES else 0.1
    why = f"{time.name} holds times, {answer.name} a number for each"
    columns = (time.name, *past, *([series.name] if series else []))
    return Fit(task, columns, answer.name, score, why, notes)


def advice(facts: TableFacts, target: str | None) -> str:
    """What to do where no column holds times, or the target is no number."""
    numbers = [f"--target {each.name}" for each in facts.columns if each.is_number]
    if not numbers:
        return ""
    if any(column.is_date for column in facts.columns):
        return f"Name a number to tell: {' or '.join(numbers[:_NAMED])}." if target else ""
    clean = f"lepton data clean {facts.dataset} --step"
    texts = [each.name for each in facts.columns if each.is_text and _read_like_dates(each)]
    if texts:
        return f"Read its dates first: {clean} 'parse-dates columns={texts[0]}'"
    taken = {column.name for column in facts.columns}
    free = next((each for each in ("date", "day") if each not in taken), "date_of_row")
    step = f'derive column={free} sql="make_date(2024, 1, 1) + CAST(_rid AS INT)"'
    return f"No column holds dates. Rows that are a day apart can be given some: {clean} '{step}'"


def _read_like_dates(column: ColumnFacts) -> bool:
    """Whether most of a text's samples hold figures as dates do: a day, a month and a year."""
    return sum(map(bool, map(_FIGURES.search, map(str, column.samples)))) > len(column.samples) / 2


def _answer(numbers: Sequence[ColumnFacts]) -> ColumnFacts | None:
    """The number that is called a value, or else the first."""
    named = [each for name in _NAMES for each in numbers if each.name.lower() == name]
    return next(iter([*named, *numbers]), None)


def _series(
    facts: TableFacts, time: ColumnFacts, texts: Sequence[ColumnFacts]
) -> ColumnFacts | None:
    """The text with the fewest values that could tell rows of one time apart."""
    there = facts.rows - time.nulls
    if time.distinct >= _NEARLY * there:
        return None
    enough = [
        each
        for each in texts
        if _NEARLY * there <= each.distinct * time.distinct <= 2 * there and each.distinct > 1
    ]
    return min(enough, key=lambda each: each.distinct, default=None)


def check_times(view: View, roles: Roles) -> None:
    """Whether there are times to speak of.

    Raises:
        LeptonError: there are not.
    """
    ((times,),) = view.sql(f"SELECT count(DISTINCT {_moment(view, roles.time)}) FROM rows")
    if times < _LEAST_TIMES:
        raise LeptonError(
            f'the column "{roles.time}" has {times} different times, too few for a series',
            where=view.version.ref,
            hint="Name the columns with --inputs and --target.",
        )


def check_order(view: View, roles: Roles) -> None:
    """Whether what trains is older than what judges, in each series.

    Raises:
        UsageError: it is not: the model would be asked what it has learnt by heart.
    """
    moment, series = _moment(view, roles.time), _named(roles)
    marked = (
        f"SELECT {moment} AS t, {SPLIT} AS part,"
        f" max({moment}) FILTER (WHERE {SPLIT} = 'train') OVER (PARTITION BY {series}) AS last"
        " FROM rows"
    )
    judges = "part IN ('validation', 'test')"
    ((mixed, judging),) = view.sql(
        f"SELECT count(*) FILTER (WHERE {judges} AND t <= last),"
        f" count(*) FILTER (WHERE {judges}) FROM ({marked})"
    )
    if mixed:
        raise UsageError(
            f"the split mixes times: {mixed:,} of the {judging:,} rows that are to judge the model"
            " are no newer than what it trains on",
            where=view.version.ref,
            hint=f"Split it in time: lepton data split {view.version.dataset} --time {roles.time}",
        )


def longest(view: View, roles: Roles, split: str) -> int | None:
    """The microseconds from the first to the last row of a split, in the longest series."""
    moment = _moment(view, roles.time)
    ((span,),) = view.sql(
        f"SELECT max(span) FROM (SELECT max({moment}) - min({moment}) AS span FROM rows"
        f" WHERE {SPLIT} = ? GROUP BY {_named(roles)})",
        [split],
    )
    return None if span is None else int(span)


def ordered(view: View, roles: Roles, split: str | None, rows: int) -> Iterator[pa.RecordBatch]:
    """All rows that have a time, series by series and in order, those of the split marked.

    Raises:
        UsageError: a column is missing, or the data set has not been split.
    """
    for name in roles.columns:
        view.version.column(name)
    condition(view, split)
    inside = "true" if split is None else f"coalesce({SPLIT} = {literal(split)}, false)"
    moment = _moment(view, roles.time)
    past = "".join(f", {quoted(name)}" for name in roles.past)
    query = (
        f"SELECT {ROW_ID}, {_named(roles)} AS {quoted(_SERIES)}, {moment} AS {quoted(_TIME)},"
        f" TRY_CAST({quoted(roles.value)} AS DOUBLE) AS {quoted(_VALUE)},"
        f" {inside} AS {quoted(_INSIDE)}{past} FROM rows WHERE {moment} IS NOT NULL"
        f" ORDER BY {quoted(_SERIES)}, {quoted(_TIME)}, {ROW_ID}"
    )
    yield from view.stream(query, rows)


def each_series(
    batches: Iterable[pa.RecordBatch], roles: Roles, past: Sequence[Feature]
) -> Iterator[SeriesRows]:
    """The rows of `ordered`, one series after the other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[pa.RecordBatch] = []
    name: str | None = None
    for batch in batches:
        start = 0
        runs = pc.run_end_encode(batch.column(_SERIES))
        for own, stop in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            if parts and own != name:
                yield _one(name or "", pa.Table.from_batches(parts), roles, past)
                parts = []
            name = own
            parts.append(batch.slice(start, stop - start))
            start = stop
    if parts:
        yield _one(name or "", pa.Table.from_batches(parts), roles, past)


def _one(name: str, rows: pa.Table, roles: Roles, past: Sequence[Feature]) -> SeriesRows:
    rows = rows.combine_chunks()

    def numbers(of: str) -> Array:
        return np.asarray(rows.column(of).to_numpy(zero_copy_only=False))

    known = [each.encode(rows.column(each.column)) for each in past]
    values = numbers(_VALUE).astype(np.float64)
    return SeriesRows(
        name,
        numbers(_TIME).astype(np.int64),
        np.where(np.isfinite(values), values, np.nan),
        np.concatenate([np.empty((len(rows), 0)), *known], axis=1),
        numbers(ROW_ID).astype(np.int64),
        numbers(_INSIDE).astype(bool),
        f"{roles.series} {name}" if roles.series else f"column {roles.value}",
    )


def latest(view: View, roles: Roles, split: str | None) -> list[int]:
    """The id of each series' newest row that has a value, and is of the split."""
    moment = _moment(view, roles.time)
    where, parameters = condition(view, split)
    found = view.sql(
        f"SELECT {_named(roles)} AS name, arg_max({ROW_ID}, {moment}) FROM rows"
        f" WHERE {where} AND {moment} IS NOT NULL"
        f" AND isfinite(TRY_CAST({quoted(roles.value)} AS DOUBLE)) GROUP BY name ORDER BY name",
        parameters,
    )
    return [int(rid) for _, rid in found]


def around(
    view: View, roles: Roles, ids: Sequence[int], back: int, ahead: int
) -> dict[int, tuple[dict[str, list[Any]], list[float | None]]]:
    """For each row by id, the columns of its series up to it, from `back` microseconds before it,
    and the values that follow within `ahead`; ids that no row has are left out."""
    moment, series = _moment(view, roles.time), _named(roles)
    # One query for all of them: each looks at every row of the data set.
    found = view.sql(
        f"WITH asked AS MATERIALIZED (SELECT {ROW_ID} AS {_ASKED}, coalesce({moment}, 0) AS {_AT},"
        f" {series} AS {_OF} FROM rows WHERE {among(ids)}) SELECT {_ASKED}, {moment} > {_AT},"
        f" TRY_CAST({quoted(roles.value)} AS DOUBLE), {', '.join(map(quoted, roles.columns))}"
        f" FROM asked LEFT JOIN rows ON {series} = {_OF}"
        f" AND {moment} BETWEEN {_AT} - {back} AND {_AT} + {ahead}"
        f" ORDER BY {_ASKED}, {moment}, {ROW_ID}"
    )
    told: dict[int, tuple[dict[str, list[Any]], list[float | None]]] = {}
    for rid, rows in groupby(found, itemgetter(0)):
        # Where there is no time, nothing is before or after it.
        timed = [row for row in rows if row[1] is not None]
        until = [row[3:] for row in timed if not row[1]]
        after = [row[2] for row in timed if row[1]]
        past = {name: [row[at] for row in until] for at, name in enumerate(roles.columns)}
        told[rid] = past, [v if v is not None and math.isfinite(v) else None for v in after]
    return told


def _named(roles: Roles) -> str:
    """SQL for the name of a row's series."""
    return f"coalesce({quoted(roles.series)}::VARCHAR, '')" if roles.series else "''"


def _moment(view: View, time: str) -> str:
    """SQL for a time in microseconds since 1970, NULL where there is none."""
    name = quoted(time)
    kind = view.version.column(time).type
    at = moment(name) if kind == "VARCHAR" else f"TRY_CAST({name} AS TIMESTAMP)"
    if "TIME ZONE" in kind:
        at = name
    return f"CASE WHEN isfinite({at}) THEN epoch_us({at}) END"
