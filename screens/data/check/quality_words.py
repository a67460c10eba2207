"""What earlier checks of a data set found, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from core.data.lake.version import QualityNote
from screens.tables import plain_table
from screens.text import BARS, human_count, relative_time

WHO = {"check": "check", "import": "import's rules", "split": "split's leakage"}


def history_told(notes: Sequence[QualityNote]) -> RenderableType:
    """A line for each check, the newest first, under a line of their scores in time."""
    if not notes:
        return Text("Nobody has checked it yet.", "dim")
    table = plain_table("version", "when", "by", "score", "errors", "warnings", "rules failed")
    for note in notes:
        score = f"{note.score:.0f}" if note.score is not None else "–"
        numbers = (
            note.count(severity="error"),
            note.count(severity="warning"),
            note.count(kind="rule"),
        )
        table.add_row(
            f"{note.ref} (gone)" if note.gone else note.ref,
            relative_time(note.time),
            WHO.get(note.kind, note.kind),
            score,
            *map(human_count, numbers),
        )
    scores = [note.score for note in reversed(notes) if note.score is not None]
    line = "".join(BARS[1 + min(int(score * 7 / 100), 7)] for score in scores)
    drawn = [Text.assemble("score ", (line, "cyan"), "\n")] if len(scores) > 1 else []
    return Group(*drawn, table)
