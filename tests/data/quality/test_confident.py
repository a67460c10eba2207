"""Confident learning on probabilities whose doubtful labels are known."""

from __future__ import annotations

import numpy as np

from core.data.quality.confident import suspicious


def test_the_most_doubtful_come_first() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    first = np.array([0.9, 0.8, 0.9, 0.02, 0.1, 0.2, 0.7, 0.1])
    found = suspicious(labels, np.stack([first, 1 - first], 1))
    assert found.rows.tolist() == [3, 6]
    assert found.meant.tolist() == [1, 0]
    assert np.allclose(found.margin, [0.96, 0.4])


def test_each_class_has_a_threshold_of_its_own() -> None:
    """The model is never sure of class 1; what is usual for it is enough to doubt a 0."""
    labels = np.array([0] * 6 + [1] * 4 + [0, 0])
    first = np.array([0.95] * 6 + [0.45] * 4 + [0.42, 0.49])
    found = suspicious(labels, np.stack([first, 1 - first], 1))
    assert found.rows.tolist() == [10]


def test_classes_that_are_not_known_or_have_no_rows_doubt_nothing() -> None:
    labels = np.array([-1, 0, 0, 1, 1])
    chances = np.array(
        [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.0, 0.1, 0.9], [0.1, 0.9, 0.0], [0.2, 0.7, 0.1]]
    )
    assert suspicious(labels, chances).rows.tolist() == []
    assert len(suspicious(np.empty(0, int), np.empty((0, 3))).rows) == 0


def test_planted_errors_are_found_among_noise() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 4, 4000)
    logits = draw.normal(0, 1, (4000, 4))
    logits[np.arange(4000), truth] += 4
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = truth.copy()
    planted = draw.choice(4000, 200, replace=False)
    labels[planted] = (labels[planted] + draw.integers(1, 4, 200)) % 4
    found = suspicious(labels, chances)
    hits = np.isin(found.rows, planted)
    # A class's threshold is what its rows have on average, so some of them stay below.
    assert hits.sum() >= 130
    assert hits[:100].all(), "those that come first are wrong"
    assert (found.meant[hits] == truth[found.rows[hits]]).mean() > 0.95
