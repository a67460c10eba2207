"""One row, whole: long texts unfolded, images drawn with the boxes that are on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from rich.markup import escape
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from screens.data.rows.boxes import Box, boxed, boxes_of
from screens.data.rows.sound import SoundView
from screens.text import counted, human_bytes, plain
from screens.widgets.cells import media_kind
from screens.widgets.image_view import ImageView
from screens.widgets.window import Window

LONGEST = 20_000


class RowView(Window[None]):
    """A window over the table with every value of a row; `turn` is asked for another one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,v", "dismiss", "Close"),
        Binding("right,n", "turn(1)", "Next row"),
        Binding("left,p", "turn(-1)", "Previous row"),
    ]
    DEFAULT_CSS = """
    RowView > VerticalScroll { width: 90%; max-width: 100; max-height: 90%; }
    RowView ImageView { height: 14; width: 1fr; margin-bottom: 1; }
    RowView SoundView { height: 4; width: 1fr; margin-bottom: 1; }
    """

    def __init__(
        self, title: str, values: dict[str, Any], turn: Callable[[RowView, int], None] | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._values = values
        self._turn = turn

    def compose(self) -> ComposeResult:
        boxes = next((found for v in self._values.values() if (found := boxes_of(v))), [])
        with VerticalScroll() as box:
            box.border_title = escape(plain(self._title))
            turns = "←→ other rows · " if self._turn else ""
            box.border_subtitle = f"{turns}↑↓ scroll · esc closes"
            said: list[Text] = []
            for name, value in self._values.items():
                if not isinstance(value, bytes):
                    said.append(written(name, value))
                    continue
                head = Text.assemble((plain(name), "bold"), f"  {human_bytes(len(value))}")
                yield Static(Text("\n").join([*said, head]))
                said = []
                sound = media_kind(value[:12]) == "sound"
                yield SoundView(value) if sound else self._picture(value, boxes)
            if said:
                yield Static(Text("\n").join(said))

    def _picture(self, content: bytes, boxes: list[Box]) -> ImageView:
        return ImageView(boxed(content, boxes) if boxes else content)

    def show(self, title: str, values: dict[str, Any]) -> None:
        """Show another row in the same window."""
        self._title, self._values = title, values
        self.refresh(recompose=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "turn" or self._turn is not None

    def action_turn(self, by: int) -> None:
        if self._turn is not None:
            self._turn(self, by)


def written(name: str, value: object) -> Text:
    """A value under its column's name; what is missing says so."""
    if value is None:
        said = Text("missing", "dim italic")
    elif value == "":
        said = Text("empty", "dim italic")
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
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(map(plain, lines))
