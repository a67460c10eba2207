"""What is said of single examples: which answers are wrong, how far, and in what words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SHOWN = 20
SCORE, ERROR = "score", "error"


@dataclass(frozen=True)
class Verdicts:
    """The answers to n examples, one by one.

    `badness`, float64 [n], puts them in order, the worst highest; 0 is right. `told`, float64 [n],
    is the number that a person reads beside a mistake, a `measure`: how sure the model was
    ("score"), or how far off ("error"). `truth` and `answer` say an example's in a word or as a
    number. `wrong`, bool [n], is None where answers are near or far and never just right.
    """

    badness: Array
    told: Array
    measure: str
    truth: Callable[[int], Any]
    answer: Callable[[int], Any]
    wrong: Array | None = None

    def mistakes(self, most: int = SHOWN) -> list[dict[str, Any]]:
        """The worst: "row" (position), "truth", "answer", and "score" or "error"."""
        worst = np.argsort(-self.badness, kind="stable")[:most]
        return [self.mistake(int(at)) for at in worst if self.badness[at] > 0]

    def mistake(self, at: int) -> dict[str, Any]:
        return {
            "row": at,
            "truth": self.truth(at),
            "answer": self.answer(at),
            self.measure: float(self.told[at]),
        }
