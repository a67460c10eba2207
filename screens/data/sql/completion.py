"""Words that a person begins to type, completed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import suggester
from textual.binding import Binding, BindingType
from textual.widgets import Input

from core.data.lake.layout import quoted

Completions = Callable[[str, int], Sequence[str]]
"""From a text and the place of the cursor to the words that the one there could become."""

_WORD = re.compile(r'"?[\w.@-]*$')


def column_completions(names: Sequence[str]) -> Completions:
    """Completions from the columns of one data set, quoted where SQL wants that."""
    written = [name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted(name) for name in names]

    def complete(text: str, cursor: int) -> list[str]:
        typed = _typed(text[:cursor]).strip('"').lower()
        return [word for word in written if word.strip('"').lower().startswith(typed)]

    return complete


def _typed(text: str) -> str:
    """The word that is being typed at the end of a text; none where a quoted name was closed."""
    found = _WORD.search(text)
    word = found.group() if found else ""
    return "" if word.startswith('"') and text.count('"') % 2 == 0 else word


class Suggester(suggester.Suggester):
    """What the word at the end could become, shown dim behind it."""

    def __init__(self, completions: Completions) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._completions = completions

    async def get_suggestion(self, value: str) -> str | None:
        typed = _typed(value)
        if not typed:
            return None
        words = await asyncio.to_thread(self._completions, value, len(value))
        # DESC is meant as it stands, and DESCRIBE nowhere behind it.
        if typed.lower() in (word.lower() for word in words):
            return None
        for word in words:
            if word.lower().startswith(typed.lower()) and len(word) > len(typed):
                return value + word[len(typed) :]
        return None


class SqlInput(Input):
    """A line of SQL: Tab completes the word (again for the next one), up and down go through
    what was typed before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Run"),
        Binding("tab", "complete", "Complete", tooltip="Complete the word; again for the next one"),
        Binding("up", "remembered(-1)", "Earlier", tooltip="What was typed before"),
        Binding("down", "remembered(1)", "The one after", show=False),
    ]

    def __init__(self, *, placeholder: str, id: str) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self.remembered: list[str] = []
        self._at = 0
        self._completions: Completions = lambda _text, _cursor: ()
        self._cycle: list[str] = []
        self._completed = ""

    def complete_with(self, completions: Completions) -> None:
        self._completions = completions
        self.suggester = Suggester(completions)

    def remember(self, lines: Sequence[str]) -> None:
        """What up and down go through, the oldest first."""
        self.remembered = list(lines)
        self._at = len(self.remembered)

    def action_remembered(self, step: int) -> None:
        at = self._at + step
        if 0 <= at <= len(self.remembered):
            self._at = at
            line = self.remembered[at] if at < len(self.remembered) else ""
            self.value = " ".join(line.split())
            self.cursor_position = len(self.value)

    def action_complete(self) -> None:
        before = self.value[: self.cursor_position]
        typed = _typed(before)
        if before != self._completed or not self._cycle:
            if not typed:
                self.screen.focus_next()
                return
            self._cycle = list(self._completions(self.value, self.cursor_position))
        if not self._cycle:
            return
        word = self._cycle.pop(0)
        self._cycle.append(word)
        start = len(before) - len(self._last_word(before, typed))
        self.value = before[:start] + word + self.value[len(before) :]
        self.cursor_position = start + len(word)
        self._completed = self.value[: self.cursor_position]

    def _last_word(self, before: str, typed: str) -> str:
        """What is replaced: the completion before this one whole, which may hold blanks."""
        if before == self._completed and self._cycle and before.endswith(self._cycle[-1]):
            return self._cycle[-1]
        return typed
