"""Settings that were tried: a recipe for each kind of problem, by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UsageError, nearest

HUB = Path(__file__).with_name("hub")


@dataclass(frozen=True)
class Recipe:
    """Settings for a task; what a person names beside it wins."""

    name: str
    task: str
    summary: str
    settings: dict[str, Any]


def recipes() -> list[Recipe]:
    """All of them, by task and name."""
    found = [_read(path) for path in HUB.glob("*.toml")]
    return sorted(found, key=lambda recipe: (recipe.task, recipe.name))


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none.
    """
    known = {each.name: each for each in recipes()}
    if name not in known:
        raise UsageError(f'there is no recipe "{name}"', hint=nearest(name, known))
    return known[name]


def with_recipe(recipe: Recipe, given: dict[str, Any]) -> dict[str, Any]:
    """The recipe's settings and its task, under those that a person gave."""
    together = {"task": recipe.task, **recipe.settings, **given}
    options = {**recipe.settings.get("options", {}), **given.get("options", {})}
    if given.get("model", recipe.settings.get("model")) != recipe.settings.get("model"):
        # Another model has other options.
        options = dict(given.get("options", {}))
    return {**together, "options": options}


def _read(path: Path) -> Recipe:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return Recipe(path.stem, told["task"], told["summary"], told["settings"])
