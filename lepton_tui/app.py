"""LeptonApp: the modes, the themes, the keys and the signals; each screen does its own work."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from core.atomic import write_json
from core.errors import LeptonError
from core.workspace import Workspace
from lepton_tui.garbage import LOOK_SECONDS, QuietCollector
from lepton_tui.keys_in_turn import KeysInTurn
from screens.mode_bar import ModeBar
from screens.navigation import MODES
from screens.text import plain
from screens.themes import DARK, LIGHT

if TYPE_CHECKING:
    from core.inference.process import EngineProcess
    from screens.base import LeptonScreen

SCREENS = {
    "home": "screens.home:HomeScreen",
    "data": "screens.data:DataScreen",
    "train": "screens.train:TrainScreen",
    "evaluate": "screens.evaluate:EvaluateScreen",
    "infer": "screens.infer:InferScreen",
    "models": "screens.models:ModelsScreen",
    "serve": "screens.serve:ServeScreen",
}
RUNNING_POLL_SECONDS = 2.0
SCREEN_CHANGE_SECONDS = 0.01
WARM_SECONDS = 0.3


@dataclass
class RunningCounted(Message):
    """How many runs are at work."""

    running: int


@dataclass
class QueueFailed(Message):
    """The runs that wait for a device could not be started again."""

    error: LeptonError


class LeptonApp(App[None]):
    """The terminal application over one workspace."""

    TITLE = "Lepton"
    DEFAULT_MODE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(m.key, f"visit('{m.name}')", m.title, show=False) for m in MODES),
        Binding("question_mark", "show_keys", "Keys", key_display="?", tooltip="All keys"),
        Binding("ctrl+t", "toggle_theme", "Light or dark", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.failure: Exception | None = None
        self._garbage = QuietCollector()
        self._keys = KeysInTurn(self, super().on_event)
        self._engine: EngineProcess | None = None
        self._settings = workspace.home / "settings.json"
        for name, place in SCREENS.items():
            self.add_mode(name, lambda place=place: self._make(place))  # type: ignore[misc]
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = self._remembered_theme()

    def _make(self, place: str) -> Screen[None]:
        # A screen's module is imported when it is first visited: the first paint waits for one.
        module, _, name = place.partition(":")
        screen: Screen[None] = getattr(import_module(module), name)(self.workspace)
        return screen

    @property
    def engine(self) -> EngineProcess:
        """The process that holds torch for all screens; asked for on the event loop."""
        if self._engine is None:
            from core.inference.process import EngineProcess

            self._engine = EngineProcess(self.workspace)
        return self._engine

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        # Textual leaves the alternate screen and mouse reporting on when a signal kills it.
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave_by_signal, number)
        self.set_interval(RUNNING_POLL_SECONDS, self._count_running)
        self.set_interval(LOOK_SECONDS, self._garbage.look)
        self.call_after_refresh(self._count_running)
        self.run_worker(self._revive, thread=True, group="queue", exit_on_error=False)
        self.set_timer(WARM_SECONDS, self._warm)

    def _revive(self) -> None:
        """Runs that waited when the machine went down go on waiting."""
        from core.runs.store import Runs

        try:
            Runs(self.workspace).revive()
        except LeptonError as error:
            self.post_message(QueueFailed(error))

    def on_queue_failed(self, message: QueueFailed) -> None:
        error = message.error
        self.notify(plain(error.hint), title=plain(str(error)), severity="error", markup=False)

    def _warm(self) -> None:
        """Import the other screens while a person reads the first: a visit waits for none."""

        def read() -> None:
            for place in SCREENS.values():
                import_module(place.partition(":")[0])

        self.run_worker(read, thread=True, group="warm", exit_on_error=False)

    def on_unmount(self) -> None:
        self._garbage.end()
        if self._engine is not None:
            self._engine.close()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._garbage.touched()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def on_keys_in_turn_handled(self, message: KeysInTurn.Handled) -> None:
        self._keys.done(message)

    def _leave_by_signal(self, number: int) -> None:
        self.exit(return_code=128 + number)

    def delay_update(self, delay: float = 0.05) -> None:
        # Textual waits so long to hide that a screen is being made; most are there already.
        super().delay_update(min(delay, SCREEN_CHANGE_SECONDS))

    def visit(self, mode: str, **context: Any) -> None:
        """Go to a mode, carrying what the person was looking at."""
        self.switch_mode(mode)
        if context:
            screen: LeptonScreen = self.screen  # type: ignore[assignment]
            screen.call_after_refresh(lambda: screen.arrive(**context))

    def action_visit(self, mode: str) -> None:
        self.visit(mode)

    def action_show_keys(self) -> None:
        from screens.widgets.key_help import HelpScreen

        self.push_screen(HelpScreen())

    def action_toggle_theme(self) -> None:
        self.theme = LIGHT.name if self.theme != LIGHT.name else DARK.name
        try:
            write_json(self._settings, {"theme": self.theme})
        except OSError as error:
            self.notify(f"The theme is not remembered: {error}", severity="warning", markup=False)

    def _remembered_theme(self) -> str:
        try:
            theme = json.loads(self._settings.read_text()).get("theme")
        except (OSError, ValueError, AttributeError):
            return DARK.name
        return theme if theme in self.available_themes else DARK.name

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for mode in MODES:
            yield SystemCommand(mode.title, mode.summary, lambda m=mode.name: self.visit(m))
        for binding in screen.active_bindings.values():
            if binding.node is screen and binding.binding.description and binding.enabled:
                action = binding.binding.action
                yield SystemCommand(
                    binding.binding.description,
                    binding.binding.tooltip
                    or f"{screen.title or 'This screen'}: {binding.binding.key}",
                    lambda a=action: screen.call_later(screen.run_action, a),
                )
        yield SystemCommand("Light or dark", "Switch the theme", self.action_toggle_theme)
        yield SystemCommand("Keys", "Show every key of this screen", self.action_show_keys)
        yield SystemCommand("Quit", "Leave; runs go on", self.exit)

    def _count_running(self) -> None:
        self.run_worker(
            self._count, thread=True, exclusive=True, group="running", exit_on_error=False
        )

    def _count(self) -> None:
        from core.runs.store import Runs

        running = sum(run.state().state == "running" for run in Runs(self.workspace).alive())
        self.post_message(RunningCounted(running))

    def on_running_counted(self, message: RunningCounted) -> None:
        # The count may come while the app is being left.
        for bar in self.screen.query(ModeBar) if self.screen_stack else ():
            bar.running = message.running

    def _fatal_error(self) -> None:
        # Textual prints a traceback with every local; a person gets one line, and --debug the rest.
        self.failure = self._exception
        self._close_messages_no_wait()
