"""One thing that is wrong with a version: how badly, in which rows, and the step that mends it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.data.lake.layout import ROW_ID, among
from core.data.lake.view import View
from core.errors import Cancelled

EXAMPLES = 20
# So many rows are named one by one, in a condition or a step; of more, the first are shown.
MOST_NAMED = 1000
# What means something within double quotes: to a shell, and to the reader of steps.
_IN_A_SHELL, _IN_A_STEP = r'"\\$`', r'"\\'
ORDER = {"error": 0, "warning": 1, "info": 2}

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing found: how bad, of what kind, in which column and how many rows.

    `examples` are the row ids (`_rid`) of up to 20 of them. `mend` is the step that mends it, as it
    stands in a recipe: `{"do": "drop-duplicates"}`. `condition` is SQL over the columns of `rows`
    that is true for all of them.
    """

    severity: Severity
    kind: str
    column: str | None
    rows: int
    what: str
    hint: str
    examples: tuple[int, ...] = ()
    mend: dict[str, Any] | None = None
    condition: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells a finding from the others of a check."""
        return self.kind, self.column

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "examples": list(self.examples)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Finding:
        """The finding as `to_json` gave it."""
        return cls(**{**kept, "examples": tuple(kept["examples"])})


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors before warnings before the rest; of equal ones those of the most rows."""
    return sorted(findings, key=lambda finding: (ORDER[finding.severity], -finding.rows))


def examples_of(view: View, condition: str, column: str | None = None) -> tuple[int, ...]:
    """The ids of the first 20 rows for which a condition is true, of that column if it is named."""
    table = "rows" if column is None else view.near(column)
    rows = view.sql(
        f"SELECT {ROW_ID} FROM {table} WHERE {condition} ORDER BY {ROW_ID} LIMIT {EXAMPLES}"
    )
    return tuple(row for (row,) in rows)


def named(ids: Sequence[int]) -> dict[str, Any]:
    """The fields of a finding whose rows are known by their ids alone."""
    return {
        "rows": len(ids),
        "examples": tuple(ids[:EXAMPLES]),
        "condition": among(ids) if len(ids) <= MOST_NAMED else None,
    }


def drop_named(ids: Sequence[int]) -> dict[str, Any] | None:
    """The step that drops rows by their ids, unless they are too many to name."""
    return {"do": "drop-rows", "ids": list(ids)} if 0 < len(ids) <= MOST_NAMED else None


def have(count: int, one: str, many: str | None = None) -> str:
    """`"row has"` or `"rows have"`."""
    return f"{one} has" if count == 1 else f"{many or one + 's'} have"


def stop_if(stopped: bool) -> None:
    """End a check that somebody wants no more.

    Raises:
        Cancelled: it is so.
    """
    if stopped:
        raise Cancelled("the check was cancelled")


def command_of(mend: Mapping[str, Any]) -> str | None:
    """A step as `lepton data clean --step` takes it; None where words of one line cannot say it.

    A comma or a colon in a list or a table parts its values there, so such a step goes into a
    recipe's file instead.
    """
    words = [str(mend["do"])]
    for key, value in mend.items():
        if key == "do":
            continue
        text = _word(value)
        if text is None:
            return None
        # Steps are taken apart by Python's rules, to which a dollar sign is like any other.
        words.append(f"{key}={shell_word(text, escaped=_IN_A_STEP)}")
    return " ".join(words)


def shell_word(text: str, escaped: str = _IN_A_SHELL) -> str:
    """A text as one word of a command line, in the quotes that leave it most readable.

    `escaped` are the characters that a backslash has to stand before within double quotes.
    """
    if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII):
        return text
    if "'" not in text:
        return f"'{text}'"
    # A shell in which a person types looks for earlier commands after an exclamation mark.
    if "!" in text:
        return shlex.quote(text)
    return '"' + re.sub(f"([{escaped}])", r"\\\1", text) + '"'


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = [(str(key), _word(item)) for key, item in value.items()]
        if any(item is None or set(key + item) & set(",:") for key, item in pairs):
            return None
        return ",".join(f"{key}:{item}" for key, item in pairs) if _spaced(pairs) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_word(item) for item in value]
        if any(item is None or "," in item or item != item.strip() or not item for item in items):
            return None
        return ",".join(map(str, items))
    if isinstance(value, str):
        # A line break would be shown as a sign that no shell takes for one.
        return value if value.isprintable() else None
    return json.dumps(value)


def _spaced(pairs: Sequence[tuple[str, str | None]]) -> bool:
    """Whether no key or value would be changed by the blanks that are taken off them."""
    return all(
        part is not None and part and part == part.strip() for pair in pairs for part in pair
    )
