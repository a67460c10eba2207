"""Which models can be asked the same."""

from __future__ import annotations

from core.models.registry import ModelFolder

_NAMED = ("table", "series")
"""Inputs that are columns by their names."""


def ask_alike(one: ModelFolder, other: ModelFolder) -> bool:
    """Whether what one model is asked can be asked of the other: of a table, the same columns."""
    ours, theirs = one.kind, other.kind
    inputs = [(model.info.get("training") or {}).get("inputs") for model in (one, other)]
    same = ours.reads == theirs.reads and ours.talks == theirs.talks
    return same and (ours.reads not in _NAMED or inputs[0] == inputs[1])
