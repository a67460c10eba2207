"""KeptTalks: the conversations that are kept, found by their words, opened, written, removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from core.data.exporting.place import check_place
from core.errors import LeptonError
from core.inference.conversations import Conversation, Conversations
from core.workspace import written_path
from screens.fetching import Fetch, while_open
from screens.listing import Line, LineList
from screens.text import around, clip, counted, plain, plain_lines, relative_time
from screens.widgets.ask import Ask
from screens.widgets.confirm import Confirm

MOST_LINES = 200
AROUND = 160


@dataclass(frozen=True)
class Found:
    """A conversation, and the words by which it was found."""

    kept: Conversation
    words: str


class KeptTalks(ModalScreen[Conversation | None]):
    """Answers with the conversation that is to be gone on with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Previous", show=False, priority=True),
        Binding("ctrl+s", "write", "Write to a file", priority=True),
        Binding("ctrl+r,delete", "remove", "Remove", priority=True),
    ]
    DEFAULT_CSS = """
    KeptTalks { align: center middle; }
    KeptTalks > Vertical {
        width: 100%; max-width: 110; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    KeptTalks LineList { height: auto; max-height: 16; border: none; background: $surface; }
    KeptTalks Static { height: auto; color: $text-muted; }
    """

    def __init__(self, conversations: Conversations, fetch: Fetch[Any]) -> None:
        super().__init__()
        self._conversations = conversations
        self._fetch = while_open(self, fetch)
        self._found: dict[str, Found] = {}

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Conversations"
            box.border_subtitle = "enter opens · ^s writes · ^r removes · esc closes"
            yield Input(placeholder="words that a message holds", compact=True)
            yield LineList("", id="talks")
            yield Static(id="told", markup=False)

    def on_mount(self) -> None:
        # The list never has the keys: they go to the field, and the arrows move in the list.
        self._list.can_focus = False
        self._look()

    @property
    def _list(self) -> LineList:
        return self.query_one("#talks", LineList)

    @property
    def _chosen(self) -> Conversation | None:
        found = self._found.get(self._list.chosen or "")
        return found.kept if found else None

    @on(Input.Changed)
    def _look(self) -> None:
        words, kept = self.query_one(Input).value.strip(), self._conversations

        def work() -> list[Found]:
            if not words:
                return [Found(each, "") for each in kept.list()]
            # Of each the newest message that holds them.
            found = {
                talk.id: Found(talk, turn.message.content) for talk, turn in kept.search(words)
            }
            return list(found.values())

        self._fetch(work, self._show, group="conversations", failed=self._failed)

    def _show(self, found: list[Found]) -> None:
        self._found = {each.kept.id: each for each in found}
        word = next(iter(self.query_one(Input).value.split()), "")
        self._list.show([_line(each, word) for each in found[:MOST_LINES]])
        if self._list.highlighted is None and found:
            self._list.highlighted = 0
        more = len(found) - MOST_LINES
        told = f"and {more:,} more: type what they are about" if more > 0 else ""
        if not found:
            told = "No message holds all these words." if word else "There are none yet."
        self._say(told)

    def _say(self, words: str) -> None:
        self.query_one("#told", Static).update(Text(plain_lines(words)))

    def _failed(self, error: LeptonError) -> None:
        self._say(f"✗ {error}")

    def action_move(self, by: int) -> None:
        if by > 0:
            self._list.action_cursor_down()
        else:
            self._list.action_cursor_up()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _open(self) -> None:
        if self._chosen is not None:
            self.dismiss(self._chosen)

    def action_write(self) -> None:
        if (talk := self._chosen) is None:
            return

        def named(file: str | None) -> None:
            if file is None:
                return
            place = written_path(file)

            def work() -> None:
                check_place(place, replace=False)
                talk.write(place)

            def done(_: None) -> None:
                self._say(f"Written: {place}")

            self._fetch(work, done, group="write", failed=self._failed)

        explained = "JSON for .json, else Markdown."
        self.app.push_screen(Ask("Write it to", value=f"{talk.id}.md", explained=explained), named)

    def action_remove(self) -> None:
        if (talk := self._chosen) is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._fetch(
                    lambda: self._conversations.remove(talk.id),
                    lambda _: self._look(),
                    group="remove",
                    failed=self._failed,
                )

        question = f"Remove the conversation “{clip(plain(talk.title or talk.id), 50)}”?"
        said = f"{counted(len(talk.turns), 'message')} with {talk.model}. It is gone for good."
        self.app.push_screen(Confirm(question, said), answered)


def _line(found: Found, word: str) -> Line:
    """What it is about, or where the words are; with which model, and when."""
    talk = found.kept
    name = around(found.words, word, AROUND) if found.words else talk.title or talk.id
    return Line(talk.id, name, (clip(talk.model, 20), relative_time(talk.changed)))
