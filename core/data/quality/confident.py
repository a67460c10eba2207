"""Suspicious labels by confident learning.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", 2021: a
row counts for another class when its probability there is as high as that class's rows usually
have. Such rows are ranked by how much likelier the other class is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Suspicious:
    """Rows whose label is doubtful, the most doubtful first.

    `rows` are positions int64 [m], `meant` the class that each seems to be int64 [m], and `margin`
    how much likelier that is than the label, above 0 to 1, float64 [m].
    """

    rows: Array
    meant: Array
    margin: Array


def suspicious(labels: Array, probabilities: Array) -> Suspicious:
    """The labels that a model, which did not learn from them, contradicts with confidence.

    `labels` are class numbers int64 [n], negative for a class that the model does not know;
    `probabilities` are float [n, classes], of rows that the model was not trained on. A class's
    threshold is the mean probability that its own rows have for it, so that a class of which the
    model is never sure is not held to those of which it is. Nothing is contradicted by a class that
    no row has as its label.
    """
    labels = np.asarray(labels, np.int64)
    probabilities = np.asarray(probabilities, np.float64)
    known = (labels >= 0) & (labels < probabilities.shape[1])
    own = np.where(known, labels, 0)
    at = np.arange(len(labels))
    counts = np.bincount(own[known], minlength=probabilities.shape[1])
    sums = np.bincount(own[known], probabilities[at, own][known], probabilities.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    meant = confident.argmax(1)
    margin = confident[at, meant] - probabilities[at, own]
    found = np.flatnonzero(known & (confident[at, meant] >= 0) & (meant != own) & (margin > 0))
    ranked = found[np.argsort(-margin[found], kind="stable")]
    return Suspicious(ranked, meant[ranked], margin[ranked])
