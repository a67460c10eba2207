"""A finding of a check in one line."""

from __future__ import annotations

from rich.text import Text

from core.data.quality.finding import Finding
from screens.text import plain

SEVERITY = {
    "error": ("✗", "bold red"),
    "warning": ("!", "yellow"),
    "info": ("·", "dim"),
}


def finding_line(found: Finding) -> Text:
    """How bad, in which column, and what."""
    glyph, style = SEVERITY[found.severity]
    column = f"{plain(found.column)}: " if found.column else ""
    return Text.assemble((f"{glyph} ", style), (column, "bold"), plain(found.what))
