"""How the answers of a model of numbers miss, as a report has it."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS = 20


def residuals(error: Array) -> dict[str, Any]:
    """Mean, spread, quantiles and histogram of answer minus truth, float64 [n], n above 0."""
    counts, edges = np.histogram(error, bins=_BINS)
    return {
        "mean": float(error.mean()),
        "std": float(error.std()),
        "quantiles": {
            str(q): float(value)
            for q, value in zip(_QUANTILES, np.quantile(error, _QUANTILES), strict=True)
        },
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }
