"""How far chance reaches: intervals of scores by the bootstrap.

Examples are drawn anew, as many as there are, again and again, and what the scores are in the
middle 95 % of the draws is their interval (the percentile method: Efron and Tibshirani, "An
introduction to the bootstrap", 1993, chapter 13). Examples that overlap, as windows of a series do,
are no independent ones: they are drawn in blocks of neighbours, the last one beside the first
(Politis and Romano, "A circular block-resampling procedure for stationary data", 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Scores = Callable[[Array], dict[str, float]]
Interval = tuple[float, float] | None

CONFIDENCE = 0.95
SEED = 0
MOST, LEAST = 1000, 100
WORK = 20_000_000
"""Numbers that all draws together may go through, unless that were fewer draws than `LEAST`."""


@dataclass(frozen=True)
class Plan:
    """How a bootstrap draws, as a report tells it. The seed is fixed: a report can be repeated."""

    draws: int
    block: int = 1
    """How many neighbours are drawn together."""
    confidence: float = CONFIDENCE
    seed: int = SEED
    method: str = "percentile"

    @classmethod
    def of(cls, cost: int, block: int = 1, seed: int = SEED) -> Plan:
        """As many draws as scores that go through `cost` numbers a draw allow."""
        return cls(int(np.clip(WORK // max(1, cost), LEAST, MOST)), block, seed=seed)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def resamples(self, examples: int) -> Iterator[Array]:
        """How often each example counts in each draw, float64 [examples]."""
        chance = np.random.default_rng(self.seed)
        block = min(self.block, examples)
        for _ in range(self.draws):
            starts = chance.integers(0, examples, -(-examples // block))
            rows = starts if block == 1 else _following(starts, block, examples)
            yield np.bincount(rows, minlength=examples).astype(np.float64)


def _following(starts: Array, block: int, examples: int) -> Array:
    rows: Array = ((starts[:, None] + np.arange(block)) % examples).ravel()[:examples]
    return rows


def drawn(plan: Plan, examples: int, sides: Sequence[Scores]) -> list[dict[str, Array]]:
    """The scores of each side in each draw, float64 [draws]; NaN where a draw does not tell one.

    All sides are of the same examples, drawn alike, so their differences can be taken.
    """
    found: list[dict[str, Array]] = [{} for _ in sides]
    for draw, counts in enumerate(plan.resamples(examples)):
        for scores, side in zip(found, sides, strict=True):
            for name, value in side(counts).items():
                if name not in scores:
                    scores[name] = np.full(plan.draws, np.nan)
                scores[name][draw] = value
    return found


def interval(values: Array, confidence: float = CONFIDENCE) -> Interval:
    """Where the middle of the draws lies; None where half of them or more tell nothing.

    Draws that are all alike tell nothing either: no mistake among a few rows proves no perfection.
    """
    known = values[np.isfinite(values)]
    if 2 * len(known) <= len(values) or not np.ptp(known):
        return None
    outside = (1 - confidence) / 2
    low, high = np.quantile(known, [outside, 1 - outside])
    return float(low), float(high)


def intervals(scores: dict[str, Array], examples: int) -> dict[str, Interval]:
    """The interval of each score; of a single example nothing can be said."""
    return {name: interval(each) if examples > 1 else None for name, each in scores.items()}


def two_sided(differences: Array) -> float:
    """The chance of a difference at least so far from 0 if there were none, from the draws.

    Twice the smaller share of draws on either side of 0 (Efron and Tibshirani 1993, section 15.4),
    with one draw more on each, so that it is never 0 for want of draws.
    """
    known = differences[np.isfinite(differences)]
    below, above = int((known <= 0).sum()), int((known >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(known) + 1))
