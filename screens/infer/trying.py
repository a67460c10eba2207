"""TryPane: a box to ask in, the answers of a model or of two side by side, and putting them
right."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, OptionList

from core.errors import LeptonError
from core.inference.messages import Row
from core.inference.unseen import Unseen, unseen
from core.models.registry import ModelFolder
from core.workspace import Workspace
from screens.infer.alike import ask_alike
from screens.infer.answer_view import AnswerView
from screens.infer.correcting import Correcting
from screens.infer.picture_grid import WIDTH, PictureGrid
from screens.infer.tried import Tried, ask, lines, tiles
from screens.infer.way import Way
from screens.listing import LineList
from screens.text import counted, plain

MOST_LINES = 500
ASK = {
    "image": "a path, a folder, a pattern, or a row: mnist#12",
    "tokens": "a text, or a row: reviews#12",
    "audio": "a sound's path, a folder, or a row: digits#12",
    "series": "a data set, a table file, or a row: sales#12",
    "table": "column=value …, or a row: penguins#12",
}
NOTHING_ASKED = """\
n asks about a row that the model has not seen.
i goes to the box above, to ask about something of your own.\
"""
THE_SAME = """\
i and then enter ask this model the same.
n asks about a row that it has not seen.\
"""


class AskBox(Input):
    """The line to ask in. What is pasted is taken whole, though it be several lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Ask"),
        Binding("escape", "screen.leave_field", "Leave the box"),
    ]

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(" ".join(event.text.split()), *self.selection)


class TryPane(Way):
    """Has a row, a file, a folder or a text answered."""

    DEFAULT_CSS = """
    TryPane {
        #ask { height: 3; border: round $panel; padding: 0 1; background: $background; }
        #ask:focus { border: round $primary; }
        #answers, #pictures { display: none; }
        #answers { height: auto; max-height: 40%; }
        &.-many #answers { display: block; }
        &.-pictures #answers { display: none; }
        &.-pictures.-many #pictures { display: block; height: 1fr; }
        &.-pictures.-many #views { height: 38%; }
        #views { height: 1fr; }
        #first, #second { width: 1fr; }
        #second { display: none; }
        &.-beside #second { display: block; }
    }
    """

    def __init__(self, workspace: Workspace, *, id: str) -> None:
        super().__init__(id=id)
        self._workspace = workspace
        self._models: list[ModelFolder] = []
        self._tried: list[Tried] = []
        self._unseen: Unseen | None = None
        self._next = 0

    def compose(self) -> ComposeResult:
        yield AskBox(id="ask")
        yield LineList("Answers", id="answers")
        yield PictureGrid(id="pictures")
        with Horizontal(id="views"):
            yield AnswerView(self._fetch, id="first")
            yield AnswerView(self._fetch, id="second")

    def _fetch(self, *work: Any, **how: Any) -> None:
        self.infer_screen.fetch(*work, **how)

    @property
    def _box(self) -> Input:
        return self.query_one("#ask", Input)

    @property
    def _views(self) -> list[AnswerView]:
        """Those that are in use, the first model's first."""
        return list(self.query(AnswerView))[: len(self._models)]

    def of(self, models: Sequence[ModelFolder]) -> None:
        before, self._models = self._models, list(models)
        for each in (self, *self.query(AnswerView)):
            each.set_class(len(models) > 1, "-beside")
        if before and before[0].ref == models[0].ref:
            self._of_second(before)
            return
        self._unseen, self._next = None, 0
        self.set_class(models[0].kind.reads == "image", "-pictures")
        box = self._box
        box.border_title = plain(models[0].ref)
        box.border_subtitle = str(models[0].info["task"])
        box.placeholder = ASK.get(models[0].kind.reads, "")
        if before and not ask_alike(before[0], models[0]):
            box.value = ""
        self._clear()
        for view, model in zip(self._views, models, strict=True):
            view.of(model)
        self._views[0].say(THE_SAME if box.value.strip() else NOTHING_ASKED)

    def _of_second(self, before: Sequence[ModelFolder]) -> None:
        """Another stands beside the first model, or none does any more."""
        if [each.ref for each in before] == [each.ref for each in self._models]:
            return
        if len(self._models) > 1:
            self._views[1].of(self._models[1])
            if given := self._box.value.strip():
                self.ask(given)
            return
        self._tried = [each for each in self._tried if each.model.ref == self._models[0].ref]
        self._show_lines()
        self._show_row()

    def _clear(self) -> None:
        self._tried = []
        self.remove_class("-many")
        for view in self._views:
            view.clear()

    def can(self, action: str) -> bool:
        return action in ("next_row", "correct")

    def enter(self) -> None:
        self._box.focus()

    def action_next_row(self) -> None:
        """Ask about the next row of the test split of what the model was trained on."""
        model = self._models[0]

        def ask_about(found: Unseen) -> None:
            self._unseen = found
            row = found.row(self._next)
            self._next += 1
            self._box.value = row
            self.ask(row)

        if self._unseen is not None:
            ask_about(self._unseen)
        else:
            work = partial(unseen, self._workspace, model)
            self.infer_screen.fetch(work, ask_about, group="ids", failed=self._failed)

    @on(Input.Submitted, "#ask")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if given := event.value.strip():
            self.ask(given)

    def ask(self, given: str) -> None:
        """Have the models answer what a person gave."""
        models = self._models
        self._tried = []
        for view in self._views:
            view.say("asking…")
        engine = self.infer_screen.studio.engine

        def work() -> list[Tried | LeptonError]:
            # One after the other: the times would tell of both otherwise.
            found: list[Tried | LeptonError] = []
            for model in models:
                try:
                    found.append(ask(self._workspace, engine, model, given))
                except LeptonError as error:
                    found.append(error)
            return found

        self.infer_screen.fetch(
            work, partial(self._answered, models), group="try", failed=self._failed
        )

    def _answered(self, models: list[ModelFolder], found: list[Tried | LeptonError]) -> None:
        asked = [each.ref for each in self._models]
        if asked != [each.ref for each in models][: len(asked)]:
            return  # Another model was chosen while this one was thinking.
        found = found[: len(asked)]
        for view, each in zip(self._views, found, strict=False):
            if isinstance(each, LeptonError):
                view.fail(each)
        self.show(*[each for each in found if isinstance(each, Tried)])

    def _failed(self, error: LeptonError) -> None:
        self._clear()
        self._views[0].fail(error)

    def show(self, *tried: Tried) -> None:
        """Show answers: of a single row as they are, of several as a list to go through, or as
        the pictures that they are of."""
        self._tried = list(tried)
        self._answers.show([])
        self._show_lines()
        # Where the cursor of the list stands, it tells, and that row is shown.
        if not self._answers.option_count:
            self._show_row()
        if self.has_class("-many"):
            (self._pictures if self._drawn else self._answers).focus()

    @property
    def _answers(self) -> LineList:
        return self.query_one("#answers", LineList)

    @property
    def _pictures(self) -> PictureGrid:
        return self.query_one("#pictures", PictureGrid)

    @property
    def _drawn(self) -> bool:
        """Whether answers are of pictures."""
        return self.has_class("-pictures")

    def _show_lines(self) -> None:
        rows = self._tried[0].rows if self._tried else []
        many = len(rows) > 1
        self.set_class(many, "-many")
        more = len(rows) - MOST_LINES
        for each in (self._answers, self._pictures):
            each.border_title = counted(len(rows), "answer")
            all_of_them = f"and {more:,} more: lepton predict has all"
            each.border_subtitle = all_of_them if more > 0 else ""
        shown = self._tried if many else []
        self._pictures.show(tiles(shown, WIDTH)[:MOST_LINES] if self._drawn and shown else [])
        self._answers.show(lines(shown)[:MOST_LINES] if shown and not self._drawn else [])

    @property
    def _at(self) -> int:
        """Which of the rows is looked at."""
        return self._pictures.at if self._drawn else self._answers.highlighted or 0

    @on(OptionList.OptionHighlighted, "#answers")
    @on(PictureGrid.Chosen)
    def _show_row(self) -> None:
        for tried in self._tried:
            for view in self.query(AnswerView):
                view.show(tried, self._at)

    def action_correct(self) -> None:
        """Say what the answer to the row that is looked at is."""
        ref = self._models[0].ref
        tried = next((each for each in self._tried if each.model.ref == ref), None)
        if tried is not None and self._at < len(tried.answers):
            Correcting(self.infer_screen, self.corrected).ask(tried, self._at)

    def corrected(self, row: Row, at: int, place: tuple[str, int], label: str) -> None:
        """The row stands in its data set with this label now: say so, and mean it from now on."""
        for number, tried in enumerate(self._tried):
            if at >= len(tried.rows) or tried.rows[at].input != row.input:
                continue  # Something else was asked meanwhile.
            rows = list(tried.rows)
            rows[at] = replace(rows[at], place=place, truth=label)
            self._tried[number] = replace(tried, rows=rows)
        self._show_lines()
        self._show_row()

    def shell_command(self) -> str:
        given = self._box.value.strip()
        asked = shlex.quote(given) if given else "INPUT"
        refs = [self._models[0].name] if self._models else ["MODEL"]
        refs += [each.ref for each in self._models[1:]]
        return "\n".join(f"lepton predict {shlex.quote(ref)} {asked}" for ref in refs)
