"""TextWindow: something to read, in a window of its own that scrolls."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from screens.text import plain
from screens.widgets.window import Window


class TextWindow(Window[None]):
    """Shows what it is given; the arrow keys scroll, escape closes."""

    KEYS: ClassVar[str] = "↑↓ scroll · esc closes"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "Close")]
    DEFAULT_CSS = """
    TextWindow > VerticalScroll { width: 100%; max-width: 100; }
    """

    def __init__(self, title: str, content: RenderableType = "") -> None:
        super().__init__()
        self._title = title
        self._content = content

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = Content(plain(self._title))
            box.border_subtitle = self.KEYS
            yield Static(self._content, markup=False)

    def show(self, content: RenderableType) -> None:
        """Show something else; nothing happens where the window is closed already."""
        if self.is_attached:
            self.query_one(Static).update(content)
