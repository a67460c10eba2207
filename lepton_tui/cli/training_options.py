"""The options of tasks and models, with what each may be, as a training takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.models.architecture import Architecture
from core.models.architectures import ARCHITECTURES
from core.models.hub.table import PRETRAINED
from core.options import Option
from core.tasks.base import Task
from lepton_tui.cli.output import put


def models_of(kind: type[Task]) -> list[Architecture]:
    """What a task's models can be made of, its usual one first."""
    own = [ARCHITECTURES[name] for name in kind.architectures]
    return [*own, PRETRAINED] if kind.takes_pretrained else own


def put_options(kind: type[Task], models: Sequence[Architecture]) -> None:
    """What each option of a task and of these models is, and may be."""
    _put("the task", kind.name, kind.options)
    for each in models:
        usual = ", the usual model" if each.name == kind.architectures[0] else ""
        name = "any pretrained model" if each is PRETRAINED else each.name
        _put("the model", name + usual, each.options)


def options_json(kind: type[Task], models: Sequence[Architecture]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "task": kind.name,
        "options": [each.to_json() for each in kind.options],
        "models": [
            {"name": each.name, "options": [one.to_json() for one in each.options]}
            for each in models
        ],
    }


def _put(whose: str, name: str, options: Sequence[Option]) -> None:
    from lepton_tui.cli.data.entries import put_entry

    put(f"{whose} {name}" + ("" if options else " has no options"))
    for each in options:
        usual = "" if each.default == "" else f"; {each.default} if not said"
        if each.auto:
            usual = "; chosen from the rows if not said" if each.default == "" else ""
        put_entry(f"  {each.name}", f"{each.help}: {each.allowed}{usual}")
