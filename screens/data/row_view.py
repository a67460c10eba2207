"""One row, whole: long texts unfolded, images drawn with the boxes that are on them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from rich.markup import escape
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from screens.data.boxes import Box, boxed, boxes_of
from screens.data.sound import SoundView, is_sound
from screens.text import counted, human_bytes, plain
from screens.widgets.image_view import ImageView

LONGEST = 20_000


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
    RowView SoundView { height: 4; width: 1fr; margin-bottom: 1; }
    RowView Static { margin-bottom: 1; }
    """

    def __init__(self, title: str, values: dict[str, Any]) -> None:
        super().__init__()
        self._title = title
        self._values = values

    def compose(self) -> ComposeResult:
        boxes = next((found for v in self._values.values() if (found := boxes_of(v))), [])
        with VerticalScroll() as box:
            box.border_title = escape(plain(self._title))
            box.border_subtitle = "↑↓ scroll · esc closes"
            for name, value in self._values.items():
                if isinstance(value, bytes):
                    yield Static(
                        Text.assemble((plain(name), "bold"), f"  {human_bytes(len(value))}")
                    )
                    yield SoundView(value) if is_sound(value) else self._picture(value, boxes)
                else:
                    yield Static(written(name, value))

    def _picture(self, content: bytes, boxes: list[Box]) -> ImageView:
        return ImageView(boxed(content, boxes) if boxes else content)


def written(name: str, value: object) -> Text:
    """A value under its column's name; what is missing says so."""
    if value is None:
        said = Text("missing", "dim italic")
    elif found := boxes_of(value):
        said = Text("; ".join(each.said for each in found))
    else:
        words = value if isinstance(value, str) else _words(value)
        said = Text(printable(words[:LONGEST]))
        if len(words) > LONGEST:
            said.append(f"\n… and {counted(len(words) - LONGEST, 'character')} more", "dim")
    return Text.assemble((plain(name), "bold"), "  ", said)


def _words(value: object) -> str:
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return str(value)


def printable(text: str) -> str:
    """Text with its line breaks, but with no character that a terminal would obey."""
    return "".join(c if c == "\n" or c.isprintable() else "�" for c in text)
