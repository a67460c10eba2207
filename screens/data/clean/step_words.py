"""A step of a recipe as the words of a command line, and as fields that a person fills."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def value_words(value: Any) -> str:
    """A setting as it is typed: `a,b` for a list, `old:new,…` for a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{each}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def settings_words(step: Mapping[str, Any]) -> str:
    """The settings of a step in one line: `columns=age,fare with=median`."""
    return " ".join(
        f"{key}={shlex.quote(value_words(value))}" for key, value in step.items() if key != "do"
    )


def step_words(step: Mapping[str, Any]) -> str:
    """The step as `lepton data clean --step` takes it."""
    return f"{step['do']} {settings_words(step)}".strip()


def clean_command(dataset: str, steps: Sequence[Mapping[str, Any]]) -> str:
    """The shell command that runs these steps."""
    words = ["lepton", "data", "clean", dataset]
    for step in steps:
        words += ["--step", step_words(step)]
    return shlex.join(words)
