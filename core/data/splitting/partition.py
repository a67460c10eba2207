"""Which part each row goes to: pure functions of codes, shares and a seed.

A code is a number for a row's value (its class, group or time), equal for equal values and in their
order. Parts are numbers from 0 up; `shares` has the fraction of the rows that each should get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Parts = NDArray[np.int8]

TRAIN, VALIDATION, TEST = range(3)


def stratified(codes: Codes, validation: float, test: float, seed: int) -> Parts:
    """Parts in which every class has its share; each class keeps a training row.

    What is lost by rounding in one class is made up in the next, so the totals are right too.
    """
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    bounds = np.flatnonzero(np.diff(codes[by_class])) + 1
    parts = np.zeros(len(codes), np.int8)
    owed = {TEST: 0.5, VALIDATION: 0.5}
    for rows in np.split(by_class, bounds):
        free = len(rows) - 1
        start = 0
        for part, fraction in ((TEST, test), (VALIDATION, validation)):
            owed[part] += fraction * len(rows)
            take = min(int(owed[part]), free - start)
            owed[part] -= take
            parts[rows[start : start + take]] = part
            start += take
    for part, fraction in ((TEST, test), (VALIDATION, validation)):
        if fraction > 0 and not (parts == part).any():
            train = by_class[parts[by_class] == TRAIN]
            parts[train[-1]] = part
    return parts


def grouped(
    groups: Codes, shares: Sequence[float], seed: int, classes: Codes | None = None
) -> NDArray[np.int64]:
    """Parts made of whole groups, of the sizes wanted and, with `classes`, of their shares too.

    Groups go in shuffled order, large ones first, for small ones can still even things out. Every
    part that has a share gets a group, as long as there are enough of them.
    """
    import numpy as np

    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    if classes is None:
        part_of = _by_size(sizes, order, shares)
    else:
        part_of = _by_class(groups, classes, sizes, order, shares)
    for part in np.flatnonzero(np.asarray(shares) > 0):
        held = np.bincount(part_of, minlength=len(shares))
        if not held[part] and held.max() > 1:
            richest = order[part_of[order] == held.argmax()]
            part_of[richest[-1]] = part
    return part_of[groups]


def _by_size(sizes: Codes, order: Codes, shares: Sequence[float]) -> NDArray[np.int64]:
    """Each group goes where most rows are still owed."""
    import numpy as np

    # Lists, not arrays: this loop may see millions of groups.
    total = int(sizes.sum())
    owed = [share * total if share > 0 else -np.inf for share in shares]
    chosen = []
    for size in sizes[order].tolist():
        part = owed.index(max(owed))
        owed[part] -= size
        chosen.append(part)
    part_of = np.empty(len(sizes), np.int64)
    part_of[order] = chosen
    return part_of


def _by_class(
    groups: Codes, classes: Codes, sizes: Codes, order: Codes, shares: Sequence[float]
) -> NDArray[np.int64]:
    """Each group goes where it most lessens what is owed of every class and of all rows.

    The measure is the sum of squared deviations, each in shares of its class, so a rare class
    counts as much as a common one.
    """
    import numpy as np

    kinds = int(classes.max(initial=0)) + 1
    pairs, counts = np.unique(groups * kinds + classes, return_counts=True)
    first = np.searchsorted(pairs // kinds, np.arange(len(sizes) + 1)).tolist()
    kind, count = (pairs % kinds).tolist(), counts.tolist()
    totals = np.bincount(classes, minlength=kinds).tolist()
    rows = int(sizes.sum())
    parts = [part for part, share in enumerate(shares) if share > 0]
    owed = {part: [shares[part] * total for total in totals] for part in parts}
    owed_rows = {part: shares[part] * rows for part in parts}
    part_of = np.empty(len(sizes), np.int64)
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        own = range(first[group], first[group + 1])
        best, most = parts[0], -np.inf
        for part in parts:
            missing = owed[part]
            gain = size * owed_rows[part] / rows**2
            for at in own:
                gain += count[at] * missing[kind[at]] / totals[kind[at]] ** 2
            if gain > most:
                best, most = part, gain
        part_of[group] = best
        owed_rows[best] -= size
        for at in own:
            owed[best][kind[at]] -= count[at]
    return part_of


def in_time(times: Codes, validation: float, test: float) -> Parts:
    """The oldest rows train, then comes validation, the newest test. Equal times are not parted.

    `times` counts from 0; -1 is no time, and trains. A cut falls between two times, as near as can
    be to where the fractions put it; a part stays empty when there are fewer times than parts.
    """
    import numpy as np

    known = times >= 0
    before = np.concatenate([[0], np.cumsum(np.bincount(times[known]))])
    rows, last = len(times), len(before) - 1
    untimed = rows - int(known.sum())
    parts_after = int(validation > 0)
    # A cut is the number of the first time after it.
    test_from, validation_from = last, last
    if test > 0:
        wanted = rows * (1 - test) - untimed
        test_from = int(np.clip(_nearest(before, wanted), min(1 + parts_after, last - 1), last - 1))
    validation_from = test_from
    if validation > 0:
        wanted = rows * (1 - test - validation) - untimed
        highest = max(test_from - 1, 0)
        validation_from = int(np.clip(_nearest(before, wanted), min(1, highest), highest))
    parts = np.zeros(rows, np.int8)
    parts[times >= validation_from] = VALIDATION
    parts[times >= test_from] = TEST
    parts[~known] = TRAIN
    return parts


def _nearest(before: NDArray[np.int64], wanted: float) -> int:
    import numpy as np

    return int(np.abs(before - wanted).argmin())


def by_hash(hashes: NDArray[np.uint64], validation: float, test: float) -> Parts:
    """Parts by where a hash, uint64 [rows], lies in its range: the test rows lowest.

    A row's part depends on its own hash alone. Test rows stay test rows when the share of
    validation rows changes.
    """
    import numpy as np

    place = hashes / np.float64(2**64)
    parts = np.zeros(len(hashes), np.int8)
    parts[place < test + validation] = VALIDATION
    parts[place < test] = TEST
    return parts


def folds(codes: Codes, count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, 0 to count-1: of equal size, and with an equal share of each class."""
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(codes))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    found = np.empty(len(codes), np.int64)
    found[by_class] = np.arange(len(codes)) % count
    return found


def parts_of_fold(fold: NDArray[np.int64], which: int, count: int) -> Parts:
    """One round of a cross-validation: that fold is test, the next validation, the rest train."""
    import numpy as np

    parts = np.zeros(len(fold), np.int8)
    parts[fold == (which + 1) % count] = VALIDATION
    parts[fold == which] = TEST
    return parts
