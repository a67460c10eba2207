"""TalkView: what is said with one model, and its answer while it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message as Event
from textual.widgets import Static

from core.errors import LeptonError
from core.generation.chat import Message
from core.generation.pieces import Piece
from core.inference.conversations import Turn
from core.inference.talking import Talk
from screens.likely import likely_lines
from screens.refresh import refresh_interval
from screens.text import NOTHING_SAID, counted, plain, plain_lines, speeds

MOST_TURNS = 100
"""Messages of a long conversation that are shown: each is a widget."""
MOST_COMING = 8000
"""Letters of an answer that are shown while it comes: each time they are laid out anew."""
Answer = Callable[[], Generator[Piece]]


class TalkView(VerticalScroll):
    """Shows a conversation. A thread reads its answers and tells of them by messages; until the
    answer has ended the conversation is that thread's alone."""

    DEFAULT_CSS = """
    TalkView {
        border: round $panel; padding: 0 1; scrollbar-size-vertical: 1; background: $background;
        border-title-color: $text-muted;
        &:focus { border: round $primary; border-title-color: $primary; }
        Static { height: auto; margin-bottom: 1; }
        #coming { margin-bottom: 0; }
    }
    """

    @dataclass
    class _Heard(Event):
        """So much of an answer has come."""

        talk: Talk
        text: str
        bubble: ClassVar[bool] = False

    @dataclass
    class Ended(Event):
        """An answer is over and kept, or there is none, by an error."""

        talk: Talk
        turns: list[Turn]
        error: LeptonError | None

    def __init__(self, at_work: set[Talk], *, id: str) -> None:
        """`at_work` are those whose answer is coming, here or in another view."""
        super().__init__(id=id)
        self.talk: Talk | None = None
        self.turns: list[Turn] = []
        self.lost = ""
        """What was asked last, where it could not be answered at all."""
        self._at_work = at_work
        self._shown: list[Turn] = []
        self._drawn: list[Static] = []
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="earlier", markup=False)
        yield Static(id="coming", markup=False)

    def on_mount(self) -> None:
        self.query_one("#earlier").display = self._coming.display = False

    @property
    def _coming(self) -> Static:
        return self.query_one("#coming", Static)

    def _tell(self, words: Text | None) -> None:
        """Show this beneath what was said, or nothing."""
        self._coming.display = words is not None
        self._coming.update(words or "")

    def open(self, talk: Talk, title: str) -> None:
        """Show a conversation; an answer that is coming in another one ends."""
        if talk is not self.talk:
            self.stop()
        self.talk, self.turns, self.lost = talk, list(talk.kept.turns), ""
        self.border_title = plain(title)
        self._show()
        self.anchor()

    def say(self, words: str) -> None:
        """Something in place of an answer."""
        self._tell(Text(words, "dim"))

    def fail(self, error: LeptonError) -> None:
        """Say what was wrong and what to do."""
        told = Text.assemble(("✗ ", "red"), plain(str(error)), "\n  ", (plain(error.hint), "dim"))
        self._tell(told)

    # Answers

    def ask(self, question: str) -> None:
        if self.talk is not None:
            talk = self.talk
            self._answer(talk, lambda: talk.ask(question), [*self.turns, _asked(question)])

    def retry(self) -> None:
        if self.talk is not None:
            talk, at = self.talk, self.last_question
            self._answer(talk, talk.retry, self.turns[: at + 1])

    def edit(self, question: str) -> None:
        if self.talk is not None:
            talk, at = self.talk, self.last_question
            self._answer(talk, lambda: talk.edit(question), [*self.turns[:at], _asked(question)])

    def stop(self) -> None:
        """End the answer that is coming; what was said of it is kept."""
        self._stop.set()
        if self.talk is not None:
            self.talk.stop()

    @property
    def busy(self) -> bool:
        """Whether an answer is coming."""
        return self.talk in self._at_work

    @property
    def last_question(self) -> int:
        """Where it is among the turns; -1: nothing was asked."""
        asked = [at for at, turn in enumerate(self.turns) if turn.message.role == "user"]
        return asked[-1] if asked else -1

    def _answer(self, talk: Talk, begin: Answer, turns: list[Turn]) -> None:
        """Have the last of these turns answered."""
        stop = self._stop = threading.Event()
        self._at_work.add(talk)
        self.turns = turns
        self._show()
        self.say("reading…")
        # What comes is followed, until a person scrolls.
        self.anchor()
        every = refresh_interval()

        def work() -> None:
            error = None
            text, told = "", 0.0
            try:
                with closing(begin()) as answer:
                    for piece in answer:
                        if stop.is_set():
                            break
                        text += piece.text
                        if monotonic() - told >= every:
                            told = monotonic()
                            self.post_message(self._Heard(talk, text))
            except LeptonError as wrong:
                error = wrong
            except Exception as wrong:
                error = LeptonError(f"{type(wrong).__name__}: {wrong}")
            self.post_message(self.Ended(talk, list(talk.kept.turns), error))

        self.run_worker(work, thread=True, group=f"answer {self.id}", exit_on_error=False)

    def on_talk_view__heard(self, event: _Heard) -> None:
        if event.talk is not self.talk:
            return
        told = Text(plain_lines(event.text[-MOST_COMING:].lstrip("\n"))).append("▍", "dim")
        self._tell(told)

    def ended(self, event: Ended) -> None:
        """The answer to what was asked last is there, or there is none."""
        self.lost = self.turns[-1].message.content if len(event.turns) < len(self.turns) else ""
        self.turns = event.turns
        self._show()
        if event.error is not None:
            self.fail(event.error)

    def _show(self) -> None:
        """Show the turns there are; those that are shown already stay."""
        shown = self.turns[-MOST_TURNS:]
        same = 0
        for turn, before in zip(shown, self._shown, strict=False):
            if _looks(turn) != _looks(before):
                break
            same += 1
        for each in self._drawn[same:]:
            each.remove()
        new = [Static(_words(turn), markup=False) for turn in shown[same:]]
        self._drawn, self._shown = [*self._drawn[:same], *new], shown
        if new:
            self.mount(*new, before="#coming")
        earlier = self.query_one("#earlier", Static)
        left = len(self.turns) - len(shown)
        earlier.display = left > 0
        if left > 0 and self.talk is not None:
            words = f"{counted(left, 'earlier message')}: lepton chat show {self.talk.kept.id}"
            earlier.update(Text(words, "dim"))
        self._tell(None)


def _asked(question: str) -> Turn:
    """A question that is on its way to be kept."""
    return Turn(Message("user", question), "")


def _looks(turn: Turn) -> tuple[object, ...]:
    return turn.message, turn.ending, turn.stopped, turn.tokens


def _words(turn: Turn) -> Text:
    """A message; of an answer, how likely its tokens were, and how quick it was."""
    text = turn.message.content
    if turn.message.role == "user":
        return Text.assemble(("❯ ", "bold"), (plain_lines(text), "bold"))
    told = Text(plain_lines(text.strip("\n"))) if text.strip() else Text(NOTHING_SAID, "dim")
    return told.append("\n".join(["", *likely_lines(turn.tokens), speeds(turn.ending)]), "dim")
