"""Cells that write several labels of a row: a list, or a text with a mark between them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from core.data.lake.layout import literal, quoted

LISTED = "[]"
_MARKS = (";", "|")
# A text in an array of JSON, whatever is written in it with a backslash.
_IN_JSON = r'"((?:[^"\\]|\\.)*)"'


def label_text(value: object) -> str | None:
    """A class as text, the same whether it came as 1, 1.0 or "1"; None for null."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def separator(kind: str, samples: Sequence[object]) -> str:
    """How a column of an SQL type writes several labels of a row: `LISTED` as a list, or with what
    stands between them; empty where a row has one. Labels in a text come again in others of the
    sample."""
    texts = [value for value in samples if isinstance(value, str)]
    if kind == "VARCHAR[]" or (texts and all(map(_is_list, texts))):
        return LISTED
    for mark in _MARKS if kind == "VARCHAR" or kind.startswith("ENUM") else ():
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


def same_set(column: str, kind: str, separator: str) -> str:
    """SQL for the labels of a row, whatever their order: equal where two rows have the same."""
    name = quoted(column)
    if kind == "VARCHAR[]":
        return f"CAST(list_sort(list_distinct({name})) AS VARCHAR)"
    if separator == LISTED:
        parts = f"regexp_extract_all({name}, {literal(_IN_JSON)}, 1)"
    else:
        # What stands around a mark is none of a label, and neither are two marks in a row.
        mark = re.escape(separator)
        plain = f"trim(CAST({name} AS VARCHAR), {literal(f' {separator}')})"
        parts = rf"string_split_regex({plain}, '\s*{mark}[\s{mark}]*')"
    return f"CAST(list_sort(list_distinct({parts})) AS VARCHAR)"


def has_label(column: str, kind: str, separator: str, label: str) -> str:
    """SQL that is true of the rows with a label."""
    name = quoted(column)
    if kind == "VARCHAR[]":
        return f"list_contains({name}, {literal(label)})"
    if separator == LISTED:
        return f"contains({name}, {literal(json.dumps(label, ensure_ascii=False))})"
    mark = re.escape(separator)
    # A space is not a label's own where it stands beside a mark.
    words = literal(rf"(^|{mark})\s*{re.escape(label)}\s*({mark}|$)")
    return f"regexp_matches(CAST({name} AS VARCHAR), {words})"


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
