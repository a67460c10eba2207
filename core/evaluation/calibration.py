"""Whether a model is as sure as it is right: reliability, and the expected calibration error.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017: answers are put
into bins of equal width by their confidence, and the error is how far the share of right answers
lies from the mean confidence, bin by bin, weighted by how many answers a bin has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ERROR = "expected_calibration_error"
BINS = 15
"""As in that paper, and in torchmetrics."""


def reliability(confidence: Array, right: Array) -> list[dict[str, Any]]:
    """Each bin with its edges, its answers, their mean confidence and the share that is right.

    `confidence` is float [n, …] from 0 to 1, `right` bool of the same shape. A bin has its upper
    edge; one without an answer has None for what is not known.
    """
    which = np.clip(np.ceil(confidence.ravel() * BINS).astype(np.int64) - 1, 0, BINS - 1)
    rows = np.bincount(which, minlength=BINS)
    sure = np.bincount(which, confidence.ravel(), BINS)
    hits = np.bincount(which, right.ravel(), BINS)
    return [
        {
            "low": at / BINS,
            "high": (at + 1) / BINS,
            "rows": int(rows[at]),
            "confidence": float(sure[at] / rows[at]) if rows[at] else None,
            "accuracy": float(hits[at] / rows[at]) if rows[at] else None,
        }
        for at in range(BINS)
    ]


def expected_error(bins: list[dict[str, Any]]) -> float:
    """The expected calibration error of `reliability`, from 0 to 1."""
    whole = sum(each["rows"] for each in bins)
    apart = sum(
        each["rows"] * abs(each["accuracy"] - each["confidence"]) for each in bins if each["rows"]
    )
    return float(apart / whole) if whole else 0.0
