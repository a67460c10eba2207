"""The Infer screen: a model, or two side by side, a box to ask in, and answers that can be put
right."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, OptionList, Static

from core import tasks
from core.errors import LeptonError
from core.inference.messages import Row
from core.inference.unseen import Unseen, unseen
from core.models.registry import ModelFolder, Models
from screens.base import LeptonScreen
from screens.infer.answer_view import AnswerView
from screens.infer.correcting import Correcting
from screens.infer.tried import Tried, ask, lines
from screens.listing import Line, LineList, headline_number
from screens.text import counted, plain
from screens.widgets.pick import Pick

MOST_LINES = 500
ASK = {
    "image": "an image's path, a folder, a pattern, or a row: mnist#12",
    "tokens": "a text, or a row: reviews#12",
    "audio": "a sound's path, a folder, or a row: digits#12",
    "series": "a data set, a table file, or a row: sales#12, to tell what follows",
    "table": "column=value …, or a row: penguins#12",
}
NAMED = ("table", "series")
"""Inputs that are columns by their names."""
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


class InferScreen(LeptonScreen):
    """Try a model. The engine is a process of its own, so the screen stays quick."""

    MODE = "infer"
    TITLE = "Infer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "ask", "Ask", tooltip="Type what the model is to answer"),
        Binding("n", "next_row", "Next test row", tooltip="Try a row it has not seen"),
        Binding("b", "beside", "Beside", tooltip="A second model on the same, or none again"),
        Binding("c", "correct", "Correct", tooltip="Say what the answer is, to the data set"),
    ]
    DEFAULT_CSS = """
    InferScreen {
        #models { width: 26; }
        &.-wide #models { width: 36; }
        #ask { height: 3; border: round $panel; padding: 0 1; background: $background; }
        #ask:focus { border: round $primary; }
        #answers { display: none; height: auto; max-height: 40%; }
        &.-many #answers { display: block; }
        #views { height: 1fr; }
        #first, #second { width: 1fr; }
        #second { display: none; }
        &.-beside #second { display: block; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #try { display: none; }
        &.-empty #models { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._all: list[ModelFolder] = []
        self._models: dict[str, ModelFolder] = {}
        self._model: ModelFolder | None = None
        self._beside: ModelFolder | None = None
        self._tried: list[Tried] = []
        self._correcting = Correcting(self)
        self._wanted: str | None = None
        self._unseen: Unseen | None = None
        self._next = 0

    def body(self) -> ComposeResult:
        yield Static(
            "No model yet.\n\nPress 3 to train one, or run lepton demo in a shell.", id="welcome"
        )
        with Horizontal():
            yield LineList("Models", id="models")
            with Vertical(id="try"):
                yield AskBox(id="ask")
                yield LineList("Answers", id="answers")
                with Horizontal(id="views"):
                    yield AnswerView(self.fetch, id="first")
                    yield AnswerView(self.fetch, id="second")

    def on_mount(self) -> None:
        self._look()

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._wanted = model.partition("@")[0] if model else None
        self._look()

    def _look(self) -> None:
        self.fetch(Models(self.workspace).list, self._list, group="models")

    def _list(self, models: list[ModelFolder]) -> None:
        self._all, self._models = models, {}
        for model in models:
            self._models.setdefault(model.name, model)
        self.set_class(not models, "-empty")
        named = [
            Line(name, name, (headline_number(model.metrics, model.metric),))
            for name, model in self._models.items()
        ]
        names = self.query_one("#models", LineList)
        names.show(named, chosen=self._wanted)
        self._wanted = None
        if self.focused is None and models:
            names.focus()

    @property
    def _first(self) -> AnswerView:
        return self.query_one("#first", AnswerView)

    @property
    def _second(self) -> AnswerView:
        return self.query_one("#second", AnswerView)

    @on(OptionList.OptionHighlighted, "#models")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        model = self._models.get(event.option_id or "")
        if model is None or (self._model and model.ref == self._model.ref):
            return
        before, self._model = self._model, model
        self._unseen, self._next = None, 0
        ask_box = self.query_one("#ask", Input)
        ask_box.border_title = plain(model.ref)
        ask_box.border_subtitle = str(model.info["task"])
        ask_box.placeholder = ASK.get(_reads(model), "")
        if before is not None and not _ask_alike(before, model):
            ask_box.value = ""
        if self._beside is not None and (
            self._beside.ref == model.ref or not _ask_alike(self._beside, model)
        ):
            self._set_beside(None)
        self._clear()
        self._first.of(model, _reads(model))
        self._first.say(THE_SAME if ask_box.value.strip() else NOTHING_ASKED)

    def _clear(self) -> None:
        self._tried = []
        self.remove_class("-many")
        if self._beside is not None:
            self._second.clear()

    @on(OptionList.OptionSelected, "#models")
    def action_ask(self) -> None:
        self.query_one("#ask", Input).focus()

    def action_next_row(self) -> None:
        """Ask about the next row of the test split of what the model was trained on."""
        model = self._model
        if model is None:
            return

        def ask_about(found: Unseen) -> None:
            self._unseen = found
            row = found.row(self._next)
            self._next += 1
            self.query_one("#ask", Input).value = row
            self._try(row)

        if self._unseen is not None:
            ask_about(self._unseen)
        else:
            work = partial(unseen, self.workspace, model)
            self.fetch(work, ask_about, group="ids", failed=self._failed)

    def action_beside(self) -> None:
        """Choose a second model that can be asked the same; the second time, none."""
        model = self._model
        if model is None:
            return
        if self._beside is not None:
            self._set_beside(None)
            return
        alike = {
            each.ref: each
            for each in self._all
            if each.ref != model.ref and _ask_alike(model, each)
        }
        if not alike:
            self.show_error(
                LeptonError(
                    f"no other model reads what {model.ref} does", hint="Press 3 to train one."
                )
            )
            return

        def chosen(ref: str | None) -> None:
            if ref is not None:
                self._set_beside(alike[ref])

        self.app.push_screen(Pick(f"Which model beside {model.ref}?", list(alike)), chosen)

    def _set_beside(self, model: ModelFolder | None) -> None:
        self._beside = model
        for each in (self, self._first, self._second):
            each.set_class(model is not None, "-beside")
        if model is None:
            asked = [each.ref for each in self._asked]
            self._tried = [each for each in self._tried if each.model.ref in asked]
            self._show_lines()
            self._show_row()
            return
        self._second.of(model, _reads(model))
        given = self.query_one("#ask", Input).value.strip()
        if given:
            self._try(given)

    @on(Input.Submitted, "#ask")
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._try(event.value.strip())

    def _try(self, given: str) -> None:
        if self._model is None:
            return
        models = self._asked
        for view in (self._first, self._second)[: len(models)]:
            view.say("asking…")
        engine = self.studio.engine

        def work() -> list[Tried | LeptonError]:
            # One after the other: the times would tell of both otherwise.
            found: list[Tried | LeptonError] = []
            for model in models:
                try:
                    found.append(ask(self.workspace, engine, model, given))
                except LeptonError as error:
                    found.append(error)
            return found

        self.fetch(work, partial(self._answered, models), group="try", failed=self._failed)

    def _answered(self, models: list[ModelFolder], found: list[Tried | LeptonError]) -> None:
        asked = [each.ref for each in self._asked]
        if asked != [each.ref for each in models][: len(asked)]:
            return  # Another model was chosen while this one was thinking.
        found = found[: len(asked)]
        for view, each in zip((self._first, self._second), found, strict=False):
            if isinstance(each, LeptonError):
                view.fail(each)
        self._show(*[each for each in found if isinstance(each, Tried)])

    def _failed(self, error: LeptonError) -> None:
        self._clear()
        self._first.fail(error)

    def _show(self, *tried: Tried) -> None:
        """Show answers: of a single row as they are, of several as a list to go through."""
        self._tried = list(tried)
        answers = self.query_one("#answers", LineList)
        answers.show([])
        self._show_lines()
        if answers.option_count:
            # Where its cursor stands, it tells, and that row is shown.
            answers.focus()
        else:
            self._show_row()

    @property
    def _asked(self) -> list[ModelFolder]:
        """Who is asked, the first model first."""
        return [each for each in (self._model, self._beside) if each is not None]

    def _show_lines(self) -> None:
        rows = self._tried[0].rows if self._tried else []
        self.set_class(len(rows) > 1, "-many")
        answers = self.query_one("#answers", LineList)
        answers.border_title = counted(len(rows), "answer")
        more = len(rows) - MOST_LINES
        answers.border_subtitle = f"and {more:,} more: lepton predict has all" if more > 0 else ""
        answers.show(lines(self._tried)[:MOST_LINES] if len(rows) > 1 else [])

    @property
    def _at(self) -> int:
        """Which of the rows is looked at."""
        highlighted = self.query_one("#answers", LineList).highlighted
        return highlighted or 0

    @on(OptionList.OptionHighlighted, "#answers")
    def _show_row(self) -> None:
        for tried in self._tried:
            for view in (self._first, self._second):
                view.show(tried, self._at)

    def action_correct(self) -> None:
        """Say what the answer to the row that is looked at is."""
        ref = self._model.ref if self._model else ""
        tried = next((each for each in self._tried if each.model.ref == ref), None)
        if tried is not None and self._at < len(tried.answers):
            self._correcting.ask(tried, self._at)

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
        given = self.query_one("#ask", Input).value.strip()
        asked = shlex.quote(given) if given else "INPUT"
        refs = [self._model.name if self._model else "MODEL"]
        refs += [self._beside.ref] if self._beside else []
        return "\n".join(f"lepton predict {shlex.quote(ref)} {asked}" for ref in refs)


def _reads(model: ModelFolder) -> str:
    return tasks.task(str(model.info["task"])).reads


def _ask_alike(one: ModelFolder, other: ModelFolder) -> bool:
    """Whether what one model is asked can be asked of the other: of a table, the same columns."""
    kind = _reads(one)
    inputs = [(model.info.get("training") or {}).get("inputs") for model in (one, other)]
    return kind == _reads(other) and (kind not in NAMED or inputs[0] == inputs[1])
