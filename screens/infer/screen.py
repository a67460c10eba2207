"""The Infer screen: a model, or two side by side, asked about something or talked with."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher, OptionList, Static

from core.errors import LeptonError
from core.models.registry import ModelFolder, Models
from screens.base import LeptonScreen
from screens.infer.alike import ask_alike
from screens.infer.chat.pane import ChatPane
from screens.infer.trying import TryPane
from screens.infer.way import Way
from screens.listing import Line, LineList, headline_number
from screens.widgets.pick import Pick

TRY, CHAT = "try", "chat"
LOOK_SECONDS = 2.0


class InferScreen(LeptonScreen):
    """Try a model. The engine is a process of its own, so the screen stays quick."""

    MODE = "infer"
    TITLE = "Infer"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "ask", "Ask", tooltip="Type what the model is to answer"),
        Binding("x", "way('stop')", "Stop", tooltip="End the answer that is coming"),
        Binding("n", "way('next_row')", "Next test row", tooltip="Try a row it has not seen"),
        Binding("n", "way('new')", "New", tooltip="Begin a new conversation"),
        Binding("r", "way('retry')", "Retry", tooltip="Answer the last question again"),
        Binding("e", "way('edit')", "Edit", tooltip="Ask the last question in other words"),
        Binding("s", "way('settings')", "Set", tooltip="System prompt and sampling parameters"),
        Binding("o", "way('conversations')", "Open", tooltip="Conversations that are kept"),
        Binding("b", "beside", "Beside", tooltip="A second model on the same, or none again"),
        Binding(
            "c", "way('correct')", "Correct", tooltip="Say what the answer is, to the data set"
        ),
        Binding("t", "other_way", "Talk or try", tooltip="Talk, or ask about a row", show=False),
    ]
    DEFAULT_CSS = """
    InferScreen {
        #models { width: 26; }
        &.-wide #models { width: 36; }
        ContentSwitcher { width: 1fr; height: 1fr; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty ContentSwitcher { display: none; }
        &.-empty #models { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._all: list[ModelFolder] = []
        self._models: dict[str, ModelFolder] = {}
        self._model: ModelFolder | None = None
        self._beside: ModelFolder | None = None
        self._wanted: str | None = None

    def body(self) -> ComposeResult:
        yield Static(
            "No model yet.\n\nPress 3 to train one, or run lepton demo in a shell.", id="welcome"
        )
        with Horizontal():
            yield LineList("Models", id="models")
            with ContentSwitcher(initial=TRY):
                yield TryPane(self.workspace, id=TRY)
                yield ChatPane(self.workspace, id=CHAT)

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._wanted = model.partition("@")[0] if model else None
        self._look()

    def _look(self) -> None:
        if self.is_current:
            self.fetch(Models(self.workspace).list, self._list, group="models")

    def _list(self, models: list[ModelFolder]) -> None:
        appeared = not self._all
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
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._choose_newest(wanted)
        if self.focused is None and models and appeared:
            names.focus()

    @property
    def way(self) -> Way:
        """How the model that is chosen is used."""
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", Way)

    @on(OptionList.OptionHighlighted, "#models")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        model = self._models.get(event.option_id or "")
        # A newer version takes no place of one that is talked with.
        if model is not None and not (self._model and model.name == self._model.name):
            self._choose(model)

    @on(OptionList.OptionSelected, "#models")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._choose_newest(event.option_id or "")
        self.action_ask()

    def _choose_newest(self, name: str) -> None:
        """Who asks for a model anew means the version that is its newest by now."""
        model = self._models.get(name)
        if model and self._model and model.name == self._model.name and model != self._model:
            self._choose(model)

    def _choose(self, model: ModelFolder) -> None:
        """Use it, in the way that it is used."""
        self._model = model
        if self._beside is not None and (
            self._beside.ref == model.ref or not ask_alike(self._beside, model)
        ):
            self._beside = None
        self._use(CHAT if model.kind.talks else TRY)

    def _use(self, way: str) -> None:
        self.query_one(ContentSwitcher).current = way
        self.way.of([each for each in (self._model, self._beside) if each is not None])
        self.refresh_bindings()

    def action_other_way(self) -> None:
        """A language model is asked about rows, too, or talked with again."""
        if self._model is not None and self._model.kind.talks:
            self._use(TRY if self.query_one(ContentSwitcher).current == CHAT else CHAT)

    def action_ask(self) -> None:
        self.way.enter()

    async def action_way(self, action: str) -> None:
        await self.way.run_action(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action not in ("way", "ask", "beside", "other_way"):
            return True
        there = self._model is not None
        return there and (action != "way" or self.way.can(str(parameters[0])))

    def action_leave_field(self) -> None:
        if not self.way.leave(self.focused):
            super().action_leave_field()

    def action_beside(self) -> None:
        """Choose a second model that can be asked the same; the second time, none."""
        model = self._model
        if model is None:
            return
        if self._beside is not None:
            self._set_beside(None)
            return
        alike = {
            each.ref: each for each in self._all if each.ref != model.ref and ask_alike(model, each)
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
        self._use(str(self.query_one(ContentSwitcher).current))

    def on_chat_pane_opened(self, event: ChatPane.Opened) -> None:
        """A conversation was opened: its model is the one that is chosen now."""
        self._model, self._beside = event.model, None
        names = self.query_one("#models", LineList)
        if event.model.name in self._models:
            names.highlighted = list(self._models).index(event.model.name)
        self.query_one(ContentSwitcher).current = CHAT
        self.query_one(ChatPane).open(event.kept, event.model)
        self.query_one(ChatPane).enter()
        self.refresh_bindings()

    def shell_command(self) -> str:
        return self.way.shell_command()
