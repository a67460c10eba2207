"""The top line: where you are, where you can go, and whether something is running."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Click
from textual.reactive import reactive
from textual.widgets import Static

from screens.navigation import MODES, Mode


class ModeTab(Static):
    """One mode; a click goes there."""

    def __init__(self, mode: Mode, *, active: bool) -> None:
        super().__init__(Text(f"{mode.key} {mode.title}"), classes="-active" if active else "")
        self.mode = mode
        self.tooltip = mode.summary

    async def on_click(self, event: Click) -> None:
        event.stop()
        await self.app.run_action(f"app.visit('{self.mode.name}')")


class ModeBar(Horizontal):
    """All modes in one line; at the right the number of runs at work."""

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    ModeBar {
        height: 1;
        background: $panel;
        color: $text-muted;
        & > #brand { width: auto; padding: 0 1; color: $primary; text-style: bold; }
        & > ModeTab { width: auto; padding: 0 1; }
        & > ModeTab:hover { background: $boost; color: $text; }
        & > ModeTab.-active { background: $primary; color: $background; text-style: bold; }
        & > #running { width: 1fr; padding: 0 1; text-align: right; color: $success; }
    }
    """

    running: reactive[int] = reactive(0)

    def __init__(self, active: str) -> None:
        super().__init__()
        self._active = active

    def compose(self) -> ComposeResult:
        yield Static("Lepton", id="brand")
        for mode in MODES:
            yield ModeTab(mode, active=mode.name == self._active)
        yield Static(id="running")

    def watch_running(self, running: int) -> None:
        if self.is_mounted:
            self.query_one("#running", Static).update(f"● {running}" if running else "")

    def on_mount(self) -> None:
        self.watch_running(self.running)
