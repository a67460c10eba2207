"""The form that asks which models a service is to have, and starts it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from core.errors import LeptonError
from core.models.registry import RUNTIMES
from core.serving.running import Running
from core.serving.settings import Settings, is_loopback, needs_keys
from core.workspace import Workspace
from screens.fetching import Fetch, while_open
from screens.text import plain
from screens.widgets.form import Form, options, row

MOST_PORT = 65535
NOBODY, EVERYBODY = "none", "key"
NEEDS = ((Text("nobody needs one"), NOBODY), (Text("a request needs one"), EVERYBODY))


class StartForm(Form[Running]):
    """Answers with the service that it has started, once that can be asked."""

    HEADING = "Start a service"
    KEYS = "^s starts · tab next field · ^y command · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Start"))
    AUTO_FOCUS = "#models"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+y", "show_command", "Command")]

    def __init__(
        self,
        workspace: Workspace,
        fetch: Fetch[Running],
        names: Sequence[str],
        *,
        model: str | None,
        taken: Sequence[int],
    ) -> None:
        super().__init__()
        self._workspace = workspace
        self._fetch = while_open(self, fetch)
        self._names = names
        self._model = model or next(iter(names), "")
        self._port = next(port for port in range(Settings.port, MOST_PORT) if port not in taken)
        self._starting = False

    def fields(self) -> ComposeResult:
        yield from row("models", Input(self._model, placeholder="names, separated by blanks"))
        yield from row("address", Input(Settings.host, placeholder="0.0.0.0: whoever reaches it"))
        yield from row("port", Input(str(self._port), placeholder="any that is free"))
        yield from row("keys", Select(NEEDS, value=NOBODY, allow_blank=False, compact=True))
        yield from row("device", Input("auto"))
        runtimes = Select(options(RUNTIMES), value=RUNTIMES[0], allow_blank=False, compact=True)
        yield from row("runtime", runtimes)

    def on_mount(self) -> None:
        self._outlook()

    @on(Input.Changed)
    @on(Select.Changed)
    def _outlook(self) -> None:
        self.complain("")
        named = f"Models: {', '.join(map(plain, self._names))}. " if self._names else ""
        whose = (
            "It listens for this machine alone"
            if is_loopback(self._host)
            else "Others can ask it, with a key (lepton serve keys add NAME), in plain HTTP"
        )
        self.found(
            Text(
                f"{named}A name follows its newest version.\n"
                f"{whose}, and goes on when you leave. For TLS: lepton serve --help.",
                "dim",
            )
        )

    def _words(self) -> list[str]:
        """The command's words; see `lepton serve --help`."""
        words = [*(self.typed("models") or "MODEL").split(), "--detach"]
        if self._host != Settings.host:
            words += ["--host", self._host]
        words += ["--port", self.typed("port") or "0"]
        if self.typed("keys") == EVERYBODY:
            words.append("--require-key")
        if (device := self.typed("device")) not in (None, "auto"):
            words += ["--device", str(device)]
        if (runtime := self._runtime) != RUNTIMES[0]:
            words += ["--runtime", runtime]
        return words

    @property
    def _host(self) -> str:
        return self.typed("address") or Settings.host

    @property
    def _runtime(self) -> str:
        return self.typed("runtime") or RUNTIMES[0]

    def action_done(self) -> None:
        if self._starting:
            return
        port, models = self.typed("port") or "0", (self.typed("models") or "").split()
        if not models:
            self.complain("Name a model.", "models")
            return
        if not port.isdecimal() or int(port) > MOST_PORT:
            self.complain(f'"{port}" is no port. Empty takes a free one.', "port")
            return
        host, device, runtime = self._host, self.typed("device") or "auto", self._runtime
        keys = needs_keys(host, wanted=self.typed("keys") == EVERYBODY)

        def work() -> Running:
            # Imported in the thread: the form need not wait for it.
            from core.serving import require_extra

            require_extra()
            from core.serving.asked import Asked
            from core.serving.process import start

            settings = Settings(host, int(port), keys=keys)
            asked = Asked(tuple(models), settings=settings, device=device, runtime=runtime)
            return start(self._workspace, asked)

        self._starting = True
        self.found(Text("starting, and loading the models…", "dim"))
        self._fetch(work, self._started, group="start", failed=self._failed)

    def _started(self, running: Running) -> None:
        # Closed before, it goes on all the same: the list has it.
        self.dismiss(running)

    def _failed(self, error: LeptonError) -> None:
        self._starting = False
        self._outlook()
        self.complain(error)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        self.app.push_screen(CommandModal(f"lepton serve {shlex.join(self._words())}"))
