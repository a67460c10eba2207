"""A version in words: the step that made it, from what, by whom, and who reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from core.data.lake.steps import in_words, not_placed
from core.data.lake.version import Version
from screens.data.clean.step_words import settings_words, value_words
from screens.listing import Line
from screens.text import clip, counted, human_count, plain, relative_time

if TYPE_CHECKING:
    from core.lineage.readers import Reader

LONGEST = 200
# What other lines say already.
SAID = frozenset({"steps", "learned", "rows", "files", "no_place"})


def version_line(version: Version, *, marked: bool) -> Line:
    """Its number, step and tags, and at the right its rows and age."""
    tags = (f"#{tag}" for tag in version.tags)
    mark = "◆" if marked else " "
    name = " ".join([f"{mark}@{version.n}", *tags, in_words(version)])
    return Line(version.ref, name, (human_count(version.rows), relative_time(version.created)))


def about(version: Version, children: Sequence[Version], readers: Sequence[Reader]) -> Text:
    """How a version came to be, and what came of it."""
    said = [counted(version.rows, "row"), counted(len(version.columns), "column")]
    said += [version.author] if version.author else []
    said += [datetime.fromisoformat(version.created).astimezone().strftime("%Y-%m-%d %H:%M")]
    text = Text.assemble((version.ref, "bold"), "  ", plain(" · ".join(said)))
    for head, refs in (("from", version.parents), ("into", [each.ref for each in children])):
        if refs:
            text.append(f"\n{head} {plain(', '.join(refs))}")
    for reader in readers:
        text.append(f"\n{plain(reader.in_words())}", "cyan")
    for line in _step(version):
        text.append(f"\n{plain(clip(line, LONGEST))}", "dim")
    return text


def _step(version: Version) -> list[str]:
    """The step with its arguments; of a recipe, each step with what it did."""
    found = [f"{version.op} {_arguments(version.params)}".rstrip()]
    if note := not_placed(version.params):
        found.append(f"  {note}")
    for done in version.params.get("steps", ()):
        counts = ", ".join(f"{count:,} {what}" for what, count in done["did"].items())
        step = done["step"]
        found.append(f"  {step['do']} {settings_words(step)}: {counts or 'done'}")
    return found


def _arguments(params: Mapping[str, Any]) -> str:
    told = {name: value_words(value) for name, value in params.items() if name not in SAID}
    return " ".join(f"{name}={words}" for name, words in told.items() if words)
