"""What forecasting learns from the training rows: step, season, windows, and the series' units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from core.data.lake.view import View
from core.errors import LeptonError, UsageError
from core.tasks import features, series_rows
from core.tasks.base import Fit
from core.tasks.facts import described
from core.tasks.features import Feature
from core.tasks.rows import condition
from core.tasks.series_rows import Roles, SeriesRows
from core.tasks.time_grid import Step, season
from core.tasks.windows import Line, UnevenError

Array = np.ndarray[Any, Any]

SEASONS_READ = 4
NO_SEASON = 8
"""The horizon where values do not come again."""
MOST_READ = 512
MOST_WINDOWS = 100_000
LEAST_WINDOWS = 2
LEAST_APART = 0.8
"""The share of the times that have to have a place of their own on the grid."""


class Unit(NamedTuple):
    """Mean and deviation of a series' values, and in deviations the mean change in a season."""

    mean: float
    deviation: float
    scale: float

    @classmethod
    def learn(cls, values: Array, others: Iterable[Unit]) -> Self:
        """Of known values, the scale like that of other series."""
        scales = [each.scale for each in others]
        deviation = float(values.std()) if len(values) else 0.0
        mean = float(values.mean()) if len(values) else 0.0
        return cls(mean, deviation or 1.0, float(np.mean(scales)) if scales else 1.0)


@dataclass(frozen=True)
class Learnt:
    """All that is known of the series of a data set. Of each window, `context` steps are read and
    `horizon` told; windows begin every `stride` steps."""

    roles: Roles
    past: tuple[Feature, ...]
    step: Step
    context: int
    horizon: int
    season: int
    stride: int
    units: Mapping[str, Unit]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "time": self.roles.time,
            "target": self.roles.value,
            "series": self.roles.series,
            "past": [features.to_json(each) for each in self.past],
            "step": self.step.to_json(),
            **{name: getattr(self, name) for name in _SIZES},
            "units": {name: list(unit) for name, unit in self.units.items()},
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        past = tuple(features.from_json(each) for each in codec["past"])
        names = tuple(each.column for each in past)
        return cls(
            Roles(codec["time"], codec["target"], codec["series"], names),
            past,
            Step.from_json(codec["step"]),
            **{name: int(codec[name]) for name in _SIZES},
            units={name: Unit(*map(float, unit)) for name, unit in codec["units"].items()},
            notes=tuple(codec["notes"]),
        )


_SIZES = ("context", "horizon", "season", "stride")


def learn(fit: Fit, view: View, split: str | None, asked: Mapping[str, Any]) -> Learnt:
    """Learn from the rows of a split; `asked` has the options of the task.

    Raises:
        UsageError: what is asked cannot be, or the split is not in time.
        LeptonError: there is nothing to learn from.
    """
    roles = Roles.of(fit, view, asked["series"])
    where = condition(view, split)
    if split:
        series_rows.check_order(view, roles)
    place = f"{view.version.ref}, {split} split" if split else view.version.ref
    all_rows = series_rows.each_series(series_rows.ordered(view, roles, split, 65_536), roles, ())
    timed = [rows.only(rows.inside) for rows in all_rows if rows.inside.any()]
    told = [rows.only(np.isfinite(rows.values)) for rows in timed]
    told = [rows for rows in told if len(rows.times)]
    step, lines = _laid(told, roles, place)
    cycle = asked["season"] or season(step, [line.filled()[:, 0] for line in lines])
    length, judged = max(map(len, lines)), _judged(view, roles, split, step)
    context, horizon = _sizes(asked, cycle, length, judged, place)
    windows = sum(max(0, len(line) - context - horizon + 1) for line in lines)
    units = {
        rows.name: _unit(line.values[:, 0], cycle) for rows, line in zip(told, lines, strict=True)
    }
    told_of = (
        f"a step is {step.words}, a season {cycle} of them; the {horizon} to come are told from"
        f" {context} before"
    )
    return Learnt(
        roles,
        tuple(features.learn_feature(view, described(view, name), where) for name in roles.past),
        step,
        context,
        horizon,
        cycle,
        stride=-(-windows // MOST_WINDOWS),
        units=_scaled(units),
        notes=(*fit.notes, *_notes(view, roles, split, timed, lines), told_of),
    )


def _laid(told: list[SeriesRows], roles: Roles, place: str) -> tuple[Step, list[Line]]:
    """The step of all series, and each on its grid.

    Raises:
        LeptonError: there are no steps, they are no steps of one length, or no value ever changes.
    """
    try:
        times = [np.unique(rows.times) for rows in told]
        step = Step.learn(times)
        places = sum(len(np.unique(step.places(each))) for each in times)
        if places < LEAST_APART * sum(map(len, times)):
            raise UnevenError
        lines = [
            Line.lay(step.places(rows.times), rows.values[:, None], rows.rids, rows.inside)
            for rows in told
        ]
    except UnevenError:
        raise LeptonError(
            f"the times of {roles.time} are too uneven to be steps of a series",
            where=place,
            hint="Bring them to even steps first, such as a mean for each hour: lepton data sql.",
        ) from None
    except ValueError:
        raise LeptonError(
            f"no series has two rows with a {roles.time} and a {roles.value}",
            where=place,
            hint=_apart(roles),
        ) from None
    if all(np.ptp(rows.values) == 0 for rows in told):
        raise LeptonError(
            f'"{roles.value}" never changes in any series', where=place, hint=_apart(roles)
        )
    return step, lines


def _judged(view: View, roles: Roles, split: str | None, step: Step) -> list[int]:
    """Over how many steps the rows of each other split reach."""
    others = [part for part in view.splits() if part != split] if split else []
    spans = [series_rows.longest(view, roles, part) for part in others]
    return [span // step.span(1) + 1 for span in spans if span is not None]


def _scaled(units: Mapping[str, Unit]) -> dict[str, Unit]:
    """The units, with the mean scale where a series is too short for its own."""
    usual = [unit.scale for unit in units.values() if unit.scale > 0]
    scale = float(np.mean(usual)) if usual else 1.0
    return {name: u if u.scale > 0 else u._replace(scale=scale) for name, u in units.items()}


def _sizes(
    asked: Mapping[str, int], cycle: int, length: int, judged: list[int], place: str
) -> tuple[int, int]:
    """The steps of the past and those to come: as asked, or seasons as far as there are steps.

    Raises:
        UsageError: what was asked cannot be.
        LeptonError: the series is too short.
    """
    least = min(judged, default=length)
    horizon = asked["horizon"]
    if horizon > least:
        raise UsageError(
            f"horizon={horizon} cannot be: the validation and test rows reach over {least} steps",
            where=place,
            hint="Name a smaller one, or split the data set with larger shares.",
        )
    horizon = horizon or min(cycle if cycle > 1 else NO_SEASON, least, max(1, length // 4))
    most = length - horizon - LEAST_WINDOWS + 1
    usual = max(SEASONS_READ * cycle if cycle > 1 else SEASONS_READ * NO_SEASON, 2 * horizon)
    context = asked["context"] or min(usual, max(2 * cycle, MOST_READ), max(cycle, most * 2 // 3))
    if context < cycle:
        raise UsageError(
            f"context={context} cannot be: a season is {cycle} steps, and it is at least that"
        )
    if context > most:
        raise LeptonError(
            f"the series is too short: {length} steps to train on, and windows of {context} and"
            f" {horizon} steps",
            where=place,
            hint="Bring in more rows, or name a smaller context or horizon.",
        )
    return context, horizon


def _unit(values: Array, cycle: int) -> Unit:
    """Of one series on its grid; a scale of 0 where no two values are a season apart."""
    unit = Unit.learn(values[np.isfinite(values)], ())
    changes = np.abs(values[cycle:] - values[:-cycle]) / unit.deviation
    changes = changes[np.isfinite(changes)]
    return unit._replace(scale=float(changes.mean()) if len(changes) else 0.0)


def _notes(
    view: View, roles: Roles, split: str | None, rows: list[SeriesRows], lines: list[Line]
) -> list[str]:
    """What is uneven about the training rows."""
    said = []
    if roles.series:
        said.append(f"{len(rows):,} series, told apart by {roles.series}")
    if any((np.diff(each.rids) < 0).any() for each in rows):
        said.append(f"the rows are not in order of {roles.time}: they are read in order")
    where, parameters = condition(view, split)
    timed = sum(len(each.times) for each in rows)
    ((all_rows,),) = view.sql(f"SELECT count(*) FROM rows WHERE {where}", parameters)
    if all_rows > timed:
        said.append(f"{all_rows - timed:,} rows have no {roles.time} and will be left out")
    if repeated := sum(line.repeated for line in lines):
        said.append(f"{repeated:,} rows repeat a time: the mean of their values stands there")
    if gaps := sum(line.empty for line in lines):
        steps = sum(map(len, lines))
        said.append(
            f"{gaps:,} of {steps:,} steps have no {roles.value}: what was known before is read"
            " there, and they are not judged"
        )
    return said


def _apart(roles: Roles) -> str:
    if roles.series:
        return f"{roles.series} tells the series apart; name another column with series=COLUMN."
    return "Name another column with --target."
