"""One row, whole: long texts unfolded, images drawn."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.markup import escape
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from screens.text import human_bytes, plain
from screens.widgets.image_view import ImageView


class RowView(ModalScreen[None]):
    """A window over the table with every value of a row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close"),
    ]
    DEFAULT_CSS = """
    RowView { align: center middle; }
    RowView > VerticalScroll {
        width: 90%; max-width: 100; height: auto; max-height: 90%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    RowView ImageView { height: 14; width: 1fr; margin-bottom: 1; }
    RowView Static { margin-bottom: 1; }
    """

    def __init__(self, title: str, values: dict[str, Any]) -> None:
        super().__init__()
        self._title = title
        self._values = values

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = escape(plain(self._title))
            box.border_subtitle = "esc closes"
            for name, value in self._values.items():
                if isinstance(value, bytes):
                    yield Static(
                        Text.assemble((plain(name), "bold"), f"  {human_bytes(len(value))}")
                    )
                    yield ImageView(value)
                else:
                    yield Static(written(name, value))


def written(name: str, value: object) -> Text:
    """A value under its column's name; what is missing says so."""
    said = Text("missing", "dim italic") if value is None else Text(printable(str(value)))
    return Text.assemble((plain(name), "bold"), "  ", said)


def printable(text: str) -> str:
    """Text with its line breaks, but with no character that a terminal would obey."""
    return "".join(c if c == "\n" or c.isprintable() else "�" for c in text)
