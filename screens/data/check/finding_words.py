"""What a check found, in lines."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from core.data.quality.finding import Finding
from core.data.quality.in_short import Others
from screens.tables import beside
from screens.text import plain

SEVERITY = {
    "error": ("✗", "bold red"),
    "warning": ("!", "yellow"),
    "info": ("·", "dim"),
}


def finding_line(found: Finding | Others) -> Table:
    """How bad, in which column, and what."""
    glyph, style = SEVERITY[found.severity]
    if isinstance(found, Others):
        return beside(Text(glyph, style), Text(plain(found.what), "dim"))
    column = f"{plain(found.column)}: " if found.column else ""
    return beside(Text(glyph, style), Text.assemble((column, "bold"), plain(found.what)))


def others_told(others: Others) -> Text:
    """All of them, a line each."""
    return Text("\n").join(
        Text.assemble((f"{plain(each.column or '')}: ", "bold"), plain(each.what), no_wrap=True)
        for each in others.findings
    )
