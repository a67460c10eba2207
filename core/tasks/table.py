"""What the two tasks over tables share: which columns they read, and the codec of those columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.lake.view import View, quoted
from core.errors import LeptonError
from core.tasks import features
from core.tasks.base import Fit, Task
from core.tasks.facts import TableFacts, described
from core.tasks.features import Category, Feature, UnreadableError
from core.tasks.rows import column, condition, place, take
from core.tasks.texts import is_prose

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Arrays, Rows

Array = np.ndarray[Any, Any]

AT_ONCE = 8192
"""Rows of a few numbers that are answered in one pass."""
_FEW = 20
_IDS = frozenset(("id", "index", "row", "rowid", "row_id", "uuid", "guid", "key", "unnamed: 0"))


def choose_inputs(
    facts: TableFacts, target: str, named: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Input columns, and why others are left out; a person's own choice is kept as it is."""
    chosen: list[str] = []
    notes: list[str] = []
    for each in facts.columns:
        if each.name == target or each.name in (named or ()):
            continue
        there = facts.rows - each.nulls
        own = each.distinct > _FEW and each.distinct > there // 2
        looks_id = each.name.lower() in _IDS or each.name.lower().endswith(("_id", " id"))
        if not (each.is_number or each.is_text or each.is_boolean or each.is_date):
            why = "the task reads numbers, texts and dates"
        elif each.distinct == 0 or (each.distinct == 1 and not each.nulls):
            why = "it says the same in every row"
        elif each.is_text and (own or is_prose(each)):
            why = "nearly every row has a text of its own"
        elif each.is_whole and own and looks_id:
            why = "it numbers the rows"
        else:
            chosen.append(each.name)
            continue
        notes.append(f"{each.name} is left out: {why}")
    return tuple(named or chosen), tuple(notes)


@dataclass(frozen=True)
class TableCodec:
    """The features of a table's input columns, in order."""

    features: tuple[Feature, ...]

    @classmethod
    def learn(cls, view: View, fit: Fit, split: str | None) -> TableCodec:
        """Learn from the rows of one split that have a target."""
        split_is, parameters = condition(view, split)
        where = f"{split_is} AND {quoted(fit.target)} IS NOT NULL", parameters
        return cls(
            tuple(features.learn_feature(view, described(view, name), where) for name in fit.inputs)
        )

    def to_json(self) -> list[dict[str, Any]]:
        return [features.to_json(feature) for feature in self.features]

    @classmethod
    def from_json(cls, facts: Sequence[Mapping[str, Any]]) -> Self:
        return cls(tuple(features.from_json(each) for each in facts))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(feature.column for feature in self.features)

    @property
    def takes(self) -> dict[str, str]:
        """What a cell of each column holds: number, date or category."""
        return {feature.column: feature.kind for feature in self.features}

    @property
    def shape(self) -> dict[str, Any]:
        """How many numbers, and the size of each category, unknown (0) and missing (1) included."""
        return {
            "numbers": sum(f.width for f in self.features if not isinstance(f, Category)),
            "categories": [f.size for f in self.features if isinstance(f, Category)],
        }

    def encode(self, rows: Rows, kept: Array | None) -> Arrays:
        """ "numbers" float32 [n, k] and "categories" int64 [n, m], of the rows `kept` or of all.

        Raises:
            UsageError: a column is missing.
            LeptonError: a value cannot be read; names column, row and value.
        """
        numbers: list[Array] = []
        categories: list[Array] = []
        count = 0
        for feature in self.features:
            found = column(rows, feature.column)
            found = found if kept is None else take(found, kept)
            count = len(found)
            try:
                encoded = feature.encode(found)
            except UnreadableError as error:
                at = error.at if kept is None else int(kept[error.at])
                raise LeptonError(
                    str(error), where=f"column {feature.column}, {place(rows, at)}"
                ) from error
            (categories if isinstance(feature, Category) else numbers).append(encoded)
        return {
            "numbers": np.concatenate([np.empty((count, 0), np.float32), *numbers], axis=1),
            "categories": np.stack(categories, axis=1)
            if categories
            else np.empty((count, 0), np.int64),
        }


class OverTable(Task):
    """A task whose inputs are columns of a table, as a codec of theirs reads them."""

    architectures: ClassVar[tuple[str, ...]] = ("mlp",)
    reads: ClassVar[str] = "table"
    codec: TableCodec

    @property
    def takes(self) -> dict[str, str]:
        return self.codec.takes

    @property
    def at_once(self) -> int:
        return AT_ONCE

    def inputs(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return batch["numbers"], batch["categories"]
