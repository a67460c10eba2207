"""Windows of a series as arrays: out of the rows of a split, or out of what a person gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.lake.layout import ROW_ID
from core.data.several_labels import label_text
from core.errors import LeptonError, UsageError
from core.tasks.features import UnreadableError, days_of, floats
from core.tasks.rows import column, place
from core.tasks.series_learning import Learnt, Unit
from core.tasks.series_rows import SeriesRows
from core.tasks.time_grid import DAY
from core.tasks.windows import Line, UnevenError

if TYPE_CHECKING:
    from core.tasks.base import Array, Arrays, Rows


class SeriesWindows:
    """Makes the arrays of windows as training learnt them: "past", "phases", "unit", "target"."""

    def __init__(self, learnt: Learnt) -> None:
        self.learnt = learnt
        self.step, self.context, self.horizon = learnt.step, learnt.context, learnt.horizon

    def cut(self, line: Line, rows: SeriesRows) -> Iterator[Arrays]:
        """The windows of a line, some at a time, each with the first row that it is to tell."""
        at = line.origins(self.context, self.horizon, self.learnt.stride)
        phases = self.step.phases(self._times(line, rows))
        unit = self._unit(rows)
        ahead = np.arange(self.horizon)
        for origins, past, target, rids in line.windows(at, self.context, self.horizon):
            yield {
                "past": past.astype(np.float32),
                "phases": phases[origins[:, None] + ahead],
                "unit": np.tile(np.array(unit, np.float32), (len(origins), 1)),
                "target": target.astype(np.float32),
                ROW_ID: rids,
            }

    def given(self, rows: Rows, at: int, *, target: bool) -> Arrays:
        """The window of a row whose columns are lists: the last `context` steps of them.

        With `target`, the last `horizon` steps are what is to be told.

        Raises:
            LeptonError: the lists cannot be read, or are too short (UsageError where they only lack
                a past).
        """
        given = self._listed(rows, at)
        known = np.flatnonzero(np.isfinite(given.values))
        if not len(known):
            raise LeptonError(f"there is no {self.learnt.roles.value}", where=given.where)
        told = self.horizon if target else 0
        until = given.times[known].max()
        reach = until - self.step.span(self.context + told)
        line = self.line(given := given.only((given.times > reach) & (given.times <= until)))
        origin = len(line) - told
        if origin < self.context:
            what = self.too_short(line)
            if target:
                raise LeptonError(what, where=given.where)
            raise UsageError(
                what, where=given.where, hint=f"Give {self.context} steps of the past, or more."
            )
        phases = self.step.phases(self._times(line, given))
        made: Arrays = {
            "past": line.filled()[None, origin - self.context : origin].astype(np.float32),
            "phases": phases[None, origin : origin + self.horizon],
            "unit": np.array([self._unit(given)], np.float32),
        }
        if target:
            return made | {"target": line.values[None, origin:, 0].astype(np.float32)}
        return made | {"origin": np.array([self._times(line, given)[origin - 1]])}

    def _listed(self, rows: Rows, at: int) -> SeriesRows:
        """A row whose columns are lists; one alone is a list of one."""

        roles = self.learnt.roles

        def listed(name: str) -> list[Any]:
            value = column(rows, name)[at]
            value = value.as_py() if hasattr(value, "as_py") else value
            return value if isinstance(value, list) else [value]

        where = place(rows, at)
        named = ""
        try:
            named = roles.time
            times = days_of(listed(named))
            named = roles.value
            values = floats(listed(named))
            past = []
            for each in self.learnt.past:
                named = each.column
                past.append(each.encode(listed(named)))
        except UnreadableError as error:
            raise LeptonError(str(error), where=f"column {named}, {where}") from error
        series = listed(roles.series)[0] if roles.series else ""
        there = np.isfinite(times)
        whole = SeriesRows(
            label_text(series) or "",
            np.round(np.where(there, times, 0.0) * DAY).astype(np.int64),
            values,
            np.concatenate([np.empty((len(times), 0)), *past], axis=1),
            np.arange(len(times)),
            np.ones(len(times), bool),
            where,
        )
        return whole.only(there)

    def line(self, rows: SeriesRows) -> Line:
        """The rows on the grid, standardised.

        Raises:
            LeptonError: their times are too uneven.
        """
        unit = self._unit(rows)
        own = (rows.values - unit.mean) / unit.deviation
        try:
            return Line.lay(
                self.step.places(rows.times),
                np.concatenate([own[:, None], rows.past], axis=1),
                rows.rids,
                rows.inside,
            )
        except UnevenError:
            raise LeptonError(
                f"the times lie too far apart for steps of {self.step.words}", where=rows.where
            ) from None

    def _unit(self, rows: SeriesRows) -> Unit:
        """What training learnt of the series; of one it never saw, what its own rows say."""
        known = self.learnt.units.get(rows.name)
        return known or Unit.learn(
            rows.values[np.isfinite(rows.values)], self.learnt.units.values()
        )

    def _times(self, line: Line, rows: SeriesRows) -> Array:
        """The times of the line's places and of a horizon more."""
        first = int(rows.times.min())
        return np.concatenate([[first], self.step.after(first, len(line) + self.horizon - 1)])

    def too_short(self, line: Line) -> str:
        """Why no window can be made of a line, in words."""
        read, told = self.context, self.horizon
        return f"the series has {len(line)} steps: {read} are read, to tell {told} more"
