"""Which column is the answer, and what kind of answer it is."""

from __future__ import annotations

from collections.abc import Sequence

from core.data import several_labels
from core.data.several_labels import LISTED
from core.tasks.facts import ColumnFacts, TableFacts

_NAMES = (
    *("label", "labels", "target", "class", "y", "category", "species", "sentiment"),
    *("score", "rating", "status", "outcome", "survived", "churn", "price"),
)
_FEW = 20


def chosen_target(
    facts: TableFacts, named: str | None, inputs: Sequence[str] | None = None
) -> ColumnFacts | None:
    """The named column, or what is probably asked for: by its name, or because it holds several
    labels, or else the last column."""
    if named:
        return facts.column(named)
    able = [each for each in facts.columns if _can_answer(each) and each.name not in (inputs or ())]
    for wanted in _NAMES:
        for column in able:
            if column.name.lower() == wanted:
                return column
    several = [each for each in able if separator(each)]
    return next(iter([*several[-1:], *able[-1:]]), None)


def separator(column: ColumnFacts) -> str:
    """How a column writes several labels of a row; empty where a row has one."""
    return several_labels.separator(column.type, column.samples)


def is_quantity(column: ColumnFacts) -> bool:
    """Whether a number column measures something, rather than naming a few classes."""
    if not column.is_number or column.distinct <= 2:
        return False
    broken = any(value is not None and value % 1 != 0 for value in column.samples)
    return broken or column.distinct > _FEW


def is_classes(column: ColumnFacts, facts: TableFacts) -> bool:
    """Whether the values repeat, as classes do, or are made of several labels."""
    if separator(column):
        return True
    if not _can_answer(column) or is_quantity(column) or column.is_date:
        return False
    return column.distinct <= max(_FEW, (facts.rows - column.nulls) // 2)


def can_classify(column: ColumnFacts, facts: TableFacts, *, named: bool) -> bool:
    """Whether the column can be a class: it is one by its values, or a person says so."""
    return is_classes(column, facts) or (named and _can_answer(column))


def _can_answer(column: ColumnFacts) -> bool:
    plain = column.is_text or column.is_number or column.is_boolean or column.is_date
    return plain or separator(column) == LISTED
