"""Scores of examples that count several times, or not at all: what a bootstrap asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.tasks.ragged import Ragged

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Scorer:
    """The scores of examples as a function of how often each of them counts, float64 [n].

    What does not depend on the counts (an answer, an order, the edits of a text) is found once. A
    score that cannot be told of so few examples is left out.
    """

    of: Callable[[Array], dict[str, float]]
    cost: int
    """Numbers that one call goes through: a bootstrap makes fewer draws where they are many."""

    def whole(self, examples: int) -> dict[str, float]:
        """The scores of all, each once."""
        return self.of(np.ones(examples))


def taken(values: Any, rows: Array) -> Any:
    """The examples at these places, of an array or of `Ragged`."""
    return values.taken(rows) if isinstance(values, Ragged) else values[rows]
