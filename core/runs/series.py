"""A number over the steps of a run, small in memory however long the run is."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

KEPT = 65_536
"""Points that are kept as they are, and the most bundles that there are of more."""


class Points(NamedTuple):
    """A curve as it is drawn: `steps` [n] rises, and from there on to the next step the values lie
    between `low` and `high` [n] around `mean` [n]. A bundle of nothing but NaN is NaN."""

    steps: Floats
    low: Floats
    high: Floats
    mean: Floats


class Series:
    """Grows point by point.

    Up to `KEPT` points stay as they are. Of more, `each` neighbours make a bundle: its first step,
    lowest, highest and mean value, so that no peak is lost and ten million steps take two
    megabytes. Whenever there are too many bundles, two of them become one.
    """

    def __init__(self) -> None:
        self.each = 1
        self.changes = 0
        """Grows with every change: whoever drew the curve sees whether there is more to draw."""
        self._bundles: Points | None = None
        self._steps = array("d")
        self._values = array("d")

    def __len__(self) -> int:
        """How many points are kept, in bundles or by themselves."""
        return len(self._steps) + (0 if self._bundles is None else len(self._bundles.steps))

    @property
    def last(self) -> float | None:
        """The newest value."""
        if self._values:
            return self._values[-1]
        return float(self._bundles.mean[-1]) if self._bundles and len(self) else None

    def append(self, step: float, value: float) -> None:
        """Add a point whose step is not below the last one's."""
        self.changes += 1
        self._steps.append(step)
        self._values.append(value)
        if len(self._steps) > KEPT:
            self._bundle()

    def take_back(self, step: float) -> None:
        """Drop what lies after a step; a bundle goes or stays as a whole."""
        self.changes += 1
        while self._steps and self._steps[-1] > step:
            self._steps.pop()
            self._values.pop()
        if self._bundles is not None and not self._steps:
            keep = int(self._bundles.steps.searchsorted(step, side="right"))
            self._bundles = Points(*(part[:keep] for part in self._bundles))

    def points(self) -> Points:
        """The curve as it is now; what it holds is not changed later."""
        import numpy as np

        if self.each > 1:
            self._bundle()
        steps, values = np.array(self._steps), np.array(self._values)
        single = Points(steps, values, values, values)
        if self._bundles is None:
            return single
        return Points(*map(np.concatenate, zip(self._bundles, single, strict=True)))

    def _bundle(self) -> None:
        """Make bundles of as many of the newest points as fill them."""
        import numpy as np

        bundled = 0 if self._bundles is None else len(self._bundles.steps)
        while bundled + len(self._steps) // self.each > KEPT:
            self.each *= 2
            if self._bundles is not None:
                self._bundles = _halved(self._bundles)
                bundled = len(self._bundles.steps)
        whole = len(self._steps) // self.each * self.each
        values = np.array(self._values[:whole]).reshape(-1, self.each)
        fresh = Points(
            np.array(self._steps[: whole : self.each]),
            np.fmin.reduce(values, axis=1),
            np.fmax.reduce(values, axis=1),
            _mean(values),
        )
        before = self._bundles
        self._bundles = (
            Points(*map(np.concatenate, zip(before, fresh, strict=True))) if before else fresh
        )
        del self._steps[:whole], self._values[:whole]

    def arrays(self) -> dict[str, Any]:
        """All it holds, for a file of arrays; `from_arrays` reads it."""
        import numpy as np

        bundles = self._bundles or Points(*[np.empty(0)] * 4)
        return {
            "bundles": np.stack(bundles),
            "newest": np.stack([np.array(self._steps), np.array(self._values)]),
            "each": np.array(self.each),
        }

    @classmethod
    def from_arrays(cls, kept: dict[str, Any]) -> Series:
        series = cls()
        series.each = int(kept["each"])
        if kept["bundles"].shape[1]:
            series._bundles = Points(*kept["bundles"])
        for part, values in zip((series._steps, series._values), kept["newest"], strict=True):
            part.frombytes(values.astype("f8").tobytes())
        return series


def _halved(bundles: Points) -> Points:
    """Two neighbours in one; a last one without a neighbour stays by itself."""
    import numpy as np

    steps, low, high, mean = (
        np.append(part, part[-1:] if len(part) % 2 else part[:0]).reshape(-1, 2) for part in bundles
    )
    return Points(
        steps[:, 0], np.fmin.reduce(low, axis=1), np.fmax.reduce(high, axis=1), _mean(mean)
    )


def _mean(values: Floats) -> Floats:
    """The mean of each row without its NaN; NaN where there is nothing else."""
    import numpy as np

    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)
    return mean
