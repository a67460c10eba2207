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
            said += f": {', '.join(setting['choices'])}"
        if setting["least"] is not None:
            said += f", {setting['least']:g} to {setting['most']:g}"
        if setting["required"]:
            said += "; it must be said"
        elif setting["default"] not in (None, [], {}, ""):
            said += f"; {str(setting['default']).removesuffix('.0')} if not said"
        put_entry(f"  {setting['key']}", said)
