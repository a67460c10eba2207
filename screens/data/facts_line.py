"""The line above the tabs: which version is looked at, and what matters of it, in the room there
is."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget

from core.data.lake.version import Version
from screens.text import counted, human_bytes, plain


@dataclass(frozen=True)
class Purpose:
    """What a version is for, in words; the target where there is one."""

    task: str = ""
    target: str | None = None


class FactsLine(Widget):
    """What fits of the facts; none is cut while a less weighty one can go instead."""

    DEFAULT_CSS = "FactsLine { height: 1; padding: 0 1; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._head = Text()
        self._ways: list[str] = []

    def say(self, version: Version, newest: Version, place: str, purpose: Purpose) -> None:
        """Tell of a version; `place` is where in it a person is."""
        earlier = f" (newest is @{newest.n})" if newest.n != version.n else ""
        self._head = Text.assemble((version.ref, "bold"), (earlier, "yellow"), "  ")
        place = place or counted(version.rows, "row")
        columns, size = counted(len(version.columns), "column"), human_bytes(version.bytes)
        task, target = purpose.task, purpose.target and plain(purpose.target)
        told, short = (f"target {target}", f"{task} → {target}") if target else ("", task)
        ways = (
            (place, columns, task, told, size),
            (place, columns, short, size),
            (place, columns, short),
            (place, short),
            (place, task),
            (place,),
        )
        self._ways = [" · ".join(filter(None, way)) for way in ways]
        self.refresh()

    def clear(self) -> None:
        self._head, self._ways = Text(), []
        self.refresh()

    def render(self) -> Text:
        room = self.size.width - self._head.cell_len
        fitting = (way for way in self._ways if cell_len(way) <= room)
        said = next(fitting, self._ways[-1] if self._ways else "")
        line = Text.assemble(self._head, (said, "dim"), no_wrap=True)
        line.truncate(max(self.size.width, 1), overflow="ellipsis")
        return line
