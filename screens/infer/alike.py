"""What a model reads, and which models can be asked the same."""

from __future__ import annotations

from core import tasks
from core.models.registry import ModelFolder

TALKS = "text-generation"
"""The task whose models are talked with."""
_NAMED = ("table", "series")
"""Inputs that are columns by their names."""


def reads(model: ModelFolder) -> str:
    """The kind of its inputs."""
    return tasks.task(str(model.info["task"])).reads


def talks(model: ModelFolder) -> bool:
    """Whether it is a language model."""
    return str(model.info["task"]) == TALKS


def ask_alike(one: ModelFolder, other: ModelFolder) -> bool:
    """Whether what one model is asked can be asked of the other: of a table, the same columns."""
    kind = reads(one)
    inputs = [(model.info.get("training") or {}).get("inputs") for model in (one, other)]
    same = kind == reads(other) and talks(one) == talks(other)
    return same and (kind not in _NAMED or inputs[0] == inputs[1])
