"""Names with their explanations, and the settings that a name takes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from lepton_tui.cli.output import put, width
from screens.text import plain

ENTRY = 24


def put_entry(name: str, text: str) -> None:
    """A name and its text, which goes on below itself."""
    lines = textwrap.wrap(plain(text), max(width() - ENTRY, 20)) or [""]
    for line in (f"{name:<{ENTRY}}{lines[0]}", *(" " * ENTRY + more for more in lines[1:])):
        put(line)


def put_settings(settings: Iterable[Mapping[str, Any]]) -> None:
    """The settings of a step or an augmentation, as its catalogue has them, indented."""
    for setting in settings:
        said = setting["help"]
        if setting["choices"]:
            said += f": {', '.join(map(_word, setting['choices']))}"
        if setting["least"] is not None:
            said += f", {setting['least']:g} to {setting['most']:g}"
        if setting["required"]:
            said += "; it must be said"
        elif default := _words(setting["default"]):
            said += f"; {default} if not said"
        put_entry(f"  {setting['key']}", said)


def _words(default: Any) -> str:
    """A default in words; empty for one that goes without saying."""
    if isinstance(default, bool):
        return "yes" if default else ""
    if isinstance(default, list | tuple):
        return ", ".join(map(str, default))
    if isinstance(default, float):
        return f"{default:g}"
    return _word(str(default)) if default not in (None, {}, "") else ""


def _word(choice: str) -> str:
    """A choice that is no word, such as a comma, stands in quotes."""
    return choice if any(map(str.isalnum, choice)) else f'"{choice}"'
