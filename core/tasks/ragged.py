"""Arrays of examples that differ in length, laid end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LENGTH = "_length"
"""A batch has the lengths of what was padded under its name with this after it."""


@dataclass(frozen=True)
class Ragged:
    """`values` [sum of lengths, …] and `lengths` int64 [n]: example i has `lengths[i]` of them."""

    values: Array
    lengths: Array

    @classmethod
    def of(cls, parts: Sequence[Array]) -> Ragged:
        """One example from each array; they are of one type, and at least one of them is given."""
        return cls(np.concatenate(parts), np.array([len(part) for part in parts], np.int64))

    @classmethod
    def of_codes(cls, parts: Sequence[Sequence[int]]) -> Ragged:
        """One example from each sequence of codes, int32."""
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        return cls(np.fromiter(chain.from_iterable(parts), np.int32, lengths.sum()), lengths)

    @classmethod
    def joined(cls, several: Sequence[Ragged]) -> Ragged:
        """The examples of all, in order."""
        return cls(
            np.concatenate([each.values for each in several]),
            np.concatenate([each.lengths for each in several]),
        )

    def taken(self, rows: Array) -> Ragged:
        """The examples at these places."""
        parts = self.parts()
        # An empty one stands before them, so that there always is one to be joined.
        values = np.concatenate([self.values[:0], *(parts[row] for row in rows)])
        return Ragged(values, self.lengths[rows])

    def __len__(self) -> int:
        return len(self.lengths)

    def parts(self) -> list[Array]:
        """Each example's own array."""
        return np.split(self.values, np.cumsum(self.lengths)[:-1]) if len(self) else []
