"""Which column is the answer, and what kind of answer it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.rows import label_text

_NAMES = (
    *("label", "labels", "target", "class", "y", "category", "species", "sentiment"),
    *("score", "rating", "status", "outcome", "survived", "churn", "price"),
)
_FEW = 20
LISTED = "[]"
_SEPARATORS = (";", "|")


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
    """How a column writes several labels of a row: `LISTED` as a list, or with what stands between
    them; empty where a row has one. Labels in a text come again in others of the sample."""
    texts = [value for value in column.samples if isinstance(value, str)]
    if column.type == "VARCHAR[]" or (texts and all(map(_is_list, texts))):
        return LISTED
    for mark in _SEPARATORS if column.is_text else ():
        if sum(mark in text for text in texts) * 5 < len(texts):
            continue
        parts = [labels_in(text, mark) for text in texts]
        labels = [label for each in parts for label in each]
        several = sum(len(each) > 1 for each in parts)
        if several * 5 >= len(texts) > 0 and len({*labels}) * 2 <= len(labels):
            return mark
    return ""


def labels_in(value: Any, separator: str) -> list[str]:
    """The labels of a row, each once."""
    if separator == LISTED:
        parts = _listed(value) or [] if isinstance(value, str) else value
    else:
        parts = str(value).split(separator)
    named = [text.strip() for part in parts if (text := label_text(part)) is not None]
    return [*dict.fromkeys(filter(None, named))]


def _listed(text: str) -> list[Any] | None:
    """A list that came as the text of a JSON array, as nested values are kept."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    plain = isinstance(found, list) and not any(isinstance(each, list | dict) for each in found)
    return found if plain else None


def _is_list(text: str) -> bool:
    """Whether a text is an array of texts, or an empty one."""
    found = _listed(text)
    return found is not None and all(isinstance(each, str) for each in found)


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
