"""A finding of a check in one line."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from core.data.quality.finding import Finding
from screens.tables import beside
from screens.text import plain

SEVERITY = {
    "error": ("✗", "bold red"),
    "warning": ("!", "yellow"),
    "info": ("·", "dim"),
}


def finding_line(found: Finding) -> Table:
    """How bad, in which column, and what."""
    glyph, style = SEVERITY[found.severity]
    column = f"{plain(found.column)}: " if found.column else ""
    return beside(Text(glyph, style), Text.assemble((column, "bold"), plain(found.what)))
