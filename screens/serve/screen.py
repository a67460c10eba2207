"""The Serve screen: the services that run, how they do, what they were asked, and trying them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList, Static

from core.errors import LeptonError
from core.models.registry import Models
from core.serving.running import Running, Services
from screens.base import LeptonScreen
from screens.listing import LineList, QuickList
from screens.refresh import refresh_interval
from screens.serve.views import (
    Seen,
    figures,
    heading,
    line_id,
    request_facts,
    request_line,
    service_line,
)
from screens.widgets.confirm import Confirm
from screens.widgets.text_window import TextWindow

if TYPE_CHECKING:
    from core.serving import forms

LOOK_SECONDS = 0.5
WELCOME = """\
No service runs here yet.

  Press n to start one for a model; it goes on when you leave.

  $ lepton serve MODEL --detach   the same in a shell
  $ lepton serve ls               what runs, with numbers\
"""
NO_MODEL = "No model yet.\n\nPress 3 to train one: there is nothing to serve before."
Looked = tuple[list[tuple[Running, Seen]], list[str]]


class ServeScreen(LeptonScreen):
    """Each service says itself how it does; the screen asks twice a second."""

    MODE = "serve"
    TITLE = "Serve"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "start", "New", tooltip="Start a service for models"),
        Binding("t", "try", "Try", tooltip="Send a request by hand, and see its curl line"),
        Binding("x", "stop", "Stop", tooltip="End the service after the requests that it has"),
        Binding("tab", "app.focus_next", "Next list", show=False),
    ]
    DEFAULT_CSS = """
    ServeScreen {
        #services { width: 26; }
        &.-wide #services { width: 36; }
        #heading, #figures { height: auto; padding: 0 1; }
        #figures { margin: 1 0; }
        #requests { height: 1fr; min-height: 4; }
        #welcome { display: none; padding: 1 2; }
        &.-empty #welcome { display: block; }
        &.-empty #services, &.-empty #service { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._found: dict[str, tuple[Running, Seen]] = {}
        self._latest: dict[str, Any] = {}
        self._names: list[str] = []
        self._looking = False
        self._wanted: str | None = None
        self._model: str | None = None

    def body(self) -> ComposeResult:
        yield Static(WELCOME, id="welcome", markup=False)
        with Horizontal():
            yield LineList("Services", id="services")
            with Vertical(id="service"):
                yield Static(id="heading", markup=False)
                yield Static(id="figures", markup=False)
                yield QuickList("Latest requests", id="requests")

    def on_mount(self) -> None:
        self._look()
        self.set_interval(max(LOOK_SECONDS, refresh_interval()), self._look)

    def on_screen_resume(self) -> None:
        self._look()

    def arrive(self, *, model: str | None = None, **_: Any) -> None:
        self._model = model
        self._look()

    def _look(self) -> None:
        # A service that is silent is waited for: a newer look would make every answer stale.
        if not self.is_current or self._looking:
            return
        self._looking = True
        self.fetch(self._gather, self._show, group="services", failed=self._blind)

    def _gather(self) -> Looked:
        found: list[tuple[Running, Seen]] = [
            (each, each.seen()) for each in Services(self.workspace).list()
        ]
        return found, Models(self.workspace).names()

    def _blind(self, error: LeptonError) -> None:
        self._looking, self._model = False, None
        self.query_one("#heading", Static).update(str(error))

    def _show(self, looked: Looked) -> None:
        self._looking = False
        found, self._names = looked
        self._found = {running.id: (running, seen) for running, seen in found}
        self.set_class(not found, "-empty")
        self.query_one("#welcome", Static).update(WELCOME if self._names else NO_MODEL)
        services = self.query_one("#services", LineList)
        wanted, self._wanted = self._wanted, None
        services.show([service_line(*each) for each in found], chosen=wanted)
        if self.focused is None and found:
            services.focus()
        self._show_chosen()
        self.refresh_bindings()
        if self._model is not None:
            self.action_start()

    @property
    def _chosen(self) -> tuple[Running, Seen] | None:
        return self._found.get(self.query_one("#services", LineList).chosen or "")

    @on(OptionList.OptionHighlighted, "#services")
    def _show_chosen(self) -> None:
        if (chosen := self._chosen) is None:
            return
        running, seen = chosen
        self.query_one("#heading", Static).update(heading(running, seen))
        self.query_one("#figures", Static).update(figures(seen))
        self._latest = {line_id(each): each for each in seen.get("latest", ())}
        requests = self.query_one("#requests", LineList)
        requests.show([request_line(each) for each in self._latest.values()])

    @on(OptionList.OptionSelected, "#services")
    def action_try(self) -> None:
        if (chosen := self._chosen) is None or not chosen[1].get("models"):
            return
        running, seen = chosen
        models = seen["models"]

        def ready(form: forms.Form) -> None:
            from screens.serve.try_form import TryForm

            self.app.push_screen(TryForm(self.workspace, running, models, form, self.fetch))

        def work() -> forms.Form:
            from screens.serve.try_form import taken

            return taken(self.workspace, models[0])

        self.fetch(work, ready, group="form")

    @on(OptionList.OptionSelected, "#requests")
    def _open(self, event: OptionList.OptionSelected) -> None:
        if told := self._latest.get(event.option_id or ""):
            self.app.push_screen(TextWindow("A request", request_facts(told)))

    def action_start(self) -> None:
        from screens.serve.start_form import StartForm

        model, self._model = self._model, None

        def started(running: Running | None) -> None:
            if running is not None:
                self._wanted = running.id
                self._look()

        taken = [running.port for running, _ in self._found.values()]
        form = StartForm(self.workspace, self.fetch, self._names, model=model, taken=taken)
        self.app.push_screen(form, started)

    def action_stop(self) -> None:
        if (chosen := self._chosen) is None:
            return
        running, seen = chosen
        again = bool(seen.get("stopping"))
        consequences = (
            "It is about to end. Stopped once more, it leaves the requests that it has."
            if again
            else "It takes nobody new, and ends after the requests that it has."
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.fetch(
                    lambda: Services(self.workspace).stop(running, wait=0),
                    lambda _: self._look(),
                    group="stop",
                )

        question = f"Stop the service at {running.address}?"
        self.app.push_screen(Confirm(question, consequences), answered)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._found) or action not in ("stop", "try")

    def shell_command(self) -> str:
        if (chosen := self._chosen) is None:
            return f"lepton serve {shlex.quote(self._model or 'MODEL')} --detach"
        return f"lepton serve ls\nlepton serve stop {chosen[0].port}"
