"""The Models screen: the trained models at the left, the chosen one's card at the right."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import OptionList, Static

from core.models.registry import ModelFolder, Models
from screens.base import LeptonScreen
from screens.listing import Line, LineList, headline_text
from screens.models.card import card
from screens.widgets.confirm import Confirm

LOOK_SECONDS = 2.0


class ModelsScreen(LeptonScreen):
    """Every version of every model, with where it came from and how well it does."""

    MODE = "models"
    TITLE = "Models"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "try", "Try", tooltip="Try the model on a row, a file or a text"),
        Binding("e", "evaluate", "Evaluate", tooltip="Judge the model on rows it has not seen"),
        Binding("s", "serve", "Serve", tooltip="Start a service for the model"),
        Binding("x", "remove", "Remove", tooltip="Remove this version of the model"),
    ]
    DEFAULT_CSS = """
    ModelsScreen {
        #models { width: 30; }
        &.-wide #models { width: 44; }
        #card { padding: 0 1; }
        #card > Static { height: auto; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #models, &.-empty #card { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._models: dict[str, ModelFolder] = {}
        self._wanted: str | None = None

    def body(self) -> ComposeResult:
        yield Static(
            "No model yet.\n\nPress 3 to train one, or run lepton demo in a shell.", id="welcome"
        )
        with Horizontal():
            yield LineList("Models", id="models")
            with VerticalScroll(id="card"):
                yield Static(id="facts", markup=False)

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._wanted = model
        self._look()

    def _look(self) -> None:
        if self.is_current:
            self.fetch(Models(self.workspace).list, self._list, group="models")

    def _list(self, models: list[ModelFolder]) -> None:
        self._models = {model.ref: model for model in models}
        self.set_class(not models, "-empty")
        names = self.query_one("#models", LineList)
        names.show([_line(model) for model in models])
        wanted, self._wanted = self._wanted, None
        for at, (ref, model) in enumerate(self._models.items()):
            if wanted in (ref, model.name):
                names.highlighted = at
                break
        if self.focused is None and models:
            names.focus()

    @property
    def _chosen(self) -> ModelFolder | None:
        return self._models.get(self.query_one("#models", LineList).chosen or "")

    @on(OptionList.OptionHighlighted, "#models")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        model = self._models.get(event.option_id or "")
        if model is not None:
            self.query_one("#facts", Static).update(card(model))

    @on(OptionList.OptionSelected, "#models")
    def action_try(self) -> None:
        if self._chosen is not None:
            self.studio.visit("infer", model=self._chosen.name)

    def action_evaluate(self) -> None:
        if self._chosen is not None:
            self.studio.visit("evaluate", model=self._chosen.ref)

    def action_serve(self) -> None:
        if self._chosen is not None:
            self.studio.visit("serve", model=self._chosen.name)

    def action_remove(self) -> None:
        model = self._chosen
        if model is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.fetch(
                    lambda: Models(self.workspace).remove(model.ref),
                    lambda _: self._look(),
                    group="remove",
                )

        self.app.push_screen(
            Confirm(f"Remove the model {model.ref}?", "This cannot be undone."), answered
        )

    def shell_command(self) -> str:
        if self._chosen is None:
            return "lepton models ls"
        return f"lepton models show {shlex.quote(self._chosen.ref)}"


def _line(model: ModelFolder) -> Line:
    return Line(model.ref, model.ref, (headline_text(model.metrics, model.metric),))
