"""Times as places on an even grid: the step from one value to the next, and the season."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
WEEK = 7 * DAY
LONGEST_SEASON = 336
"""A week of half hours."""
_SHORTEST_MONTH, _LONGEST_MONTH = 28 * DAY, 31 * DAY
_UNITS = ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))
_NEARLY = 0.9


@dataclass(frozen=True)
class Step:
    """The time between two values: microseconds, or whole months, which differ in length.

    Times are int64, microseconds since 1970; `origin` is one that lies on the grid.
    """

    origin: int
    us: int = 0
    months: int = 0

    @classmethod
    def learn(cls, series: Sequence[Array]) -> Self:
        """The median distance in the series, each of which is in order and repeats no time.

        Raises:
            ValueError: no series has two times.
        """
        gaps = _lower_median([np.diff(times) for times in series])
        if not gaps:
            raise ValueError("no series has two times")
        origin = int(next(times[0] for times in series if len(times)))
        if gaps >= _SHORTEST_MONTH and _by_month(np.concatenate(series)):
            months = _lower_median([np.diff(_months(times)) for times in series])
            return cls(origin, months=max(1, months))
        return cls(origin, us=gaps)

    @classmethod
    def from_json(cls, step: Mapping[str, Any]) -> Self:
        return cls(int(step["origin"]), int(step["us"]), int(step["months"]))

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    def places(self, times: Array) -> Array:
        """The place of each time on the grid, int64; one that lies between two has the nearer."""
        if self.months:
            start = int(_months(np.array([self.origin]))[0])
            return (_months(times) - start) // self.months
        return (times - self.origin + self.us // 2) // self.us

    def after(self, time: int, steps: int) -> Array:
        """The times of the steps that follow one, int64 [steps]."""
        ahead = np.arange(1, steps + 1)
        if not self.months:
            return time + ahead * self.us
        month = _months(np.array([time]))[0]
        at_end = _months(np.array([time + DAY]))[0] != month
        into = time - _begins(month)
        begins = _begins(month + ahead * self.months)
        ends = _begins(month + ahead * self.months + 1)
        found: Array = (
            ends - DAY + into % DAY
            if at_end
            else np.minimum(begins + into, ends - DAY + into % DAY)
        )
        return found

    def span(self, steps: int) -> int:
        """The most microseconds that so many steps take."""
        return steps * (self.us or self.months * _LONGEST_MONTH)

    @property
    def words(self) -> str:
        """Such as "a day", "15 minutes"."""
        if self.months:
            return (
                _counted(self.months // 12, "year")
                if self.months % 12 == 0
                else (_counted(self.months, "month"))
            )
        for size, name in _UNITS:
            if self.us >= size and self.us % size == 0:
                return _counted(self.us // size, name)
        return f"{self.us / SECOND:g} seconds"

    @property
    def seasons(self) -> list[int]:
        """The steps in an hour, a day, a week or a year, as far as they are a whole number."""
        if self.months:
            return [12 // self.months] if self.months < 12 and 12 % self.months == 0 else []
        if self.us == WEEK:
            return [52]
        cycles = [size // self.us for size in (HOUR, DAY, WEEK) if size % self.us == 0]
        return [cycle for cycle in cycles if 1 < cycle <= LONGEST_SEASON]

    def phases(self, times: Array) -> Array:
        """Where times stand in the day, the week and the year, float32 [..., 2 each].

        Points on a circle for each of those that is longer than a step.
        """
        days = times / DAY
        long = self.span(1)
        # Days count from a Thursday; the mean year is near enough for a season.
        turns = [
            days / length for length in (1.0, 7.0, 365.2425) if length * DAY > max(long, SECOND)
        ]
        circles = [each(2 * np.pi * turn) for turn in turns for each in (np.sin, np.cos)]
        if not circles:
            return np.zeros((*times.shape, 0), np.float32)
        return np.stack(circles, axis=-1).astype(np.float32)


def season(step: Step, series: Sequence[Array]) -> int:
    """The steps after which values come again, by the autocorrelation of their changes; else 1.

    `series` are float64, evenly spaced. A lag counts where it passes the test of the M4 competition
    (Makridakis et al. 2020, 90 %); of lags nearly as good the shortest.
    """
    found: dict[int, float] = {}
    for lag in step.seasons:
        long = [values for values in series if len(values) > 3 * lag and np.ptp(np.diff(values))]
        if not long:
            continue
        related = np.mean([autocorrelation(np.diff(values), lag) for values in long], axis=0)
        count = sum(map(len, long))
        limit = 1.645 * np.sqrt((1 + 2 * float((related[1:lag] ** 2).sum())) / count)
        if related[lag] > limit:
            found[lag] = float(related[lag])
    best = max(found.values(), default=0.0)
    return min((lag for lag, value in found.items() if value >= _NEARLY * best), default=1)


def autocorrelation(values: Array, most: int) -> Array:
    """Of lags 0 to `most`, float64 [most + 1]; the values are not all the same."""
    centred = values - values.mean()
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    products = np.fft.irfft(spectrum * spectrum.conj(), size)[: most + 1]
    related: Array = products / products[0]
    return related


def _lower_median(gaps: Sequence[Array]) -> int:
    together = np.concatenate([*gaps, np.empty(0, np.int64)])
    if not len(together):
        return 0
    middle = (len(together) - 1) // 2
    return int(np.partition(together, middle)[middle])


def _by_month(times: Array) -> bool:
    """Whether all are the same moment of their months, or of their last days."""
    months = _months(times)
    from_start = times - _begins(months)
    to_end = _begins(months + 1) - times
    return bool(np.ptp(from_start) == 0 or (np.ptp(to_end) == 0 and to_end[0] <= DAY))


def _months(times: Array) -> Array:
    """Months since 1970."""
    return times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _begins(months: Any) -> Any:
    """When months since 1970 begin, in microseconds."""
    return np.asarray(months).astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _counted(count: int, name: str) -> str:
    if count != 1:
        return f"{count} {name}s"
    return f"{'an' if name == 'hour' else 'a'} {name}"
