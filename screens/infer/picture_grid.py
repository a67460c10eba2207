"""PictureGrid: many pictures, small, each with its name and what was said of it beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import get_current_worker

from core.errors import LeptonError
from screens.half_blocks import UPPER_HALF, cell_style, decode, half_blocks, shades
from screens.infer.answer_view import picture_of
from screens.infer.tried import Tile
from screens.refresh import refresh_interval
from screens.text import ELLIPSIS, clip, fit

if TYPE_CHECKING:
    from screens.half_blocks import Image

WIDTH, HEIGHT, GAP = 14, 6, 1
"""Cells of a picture, and between two."""
UNREADABLE, CURSOR = "✗", " ◂"


class PictureGrid(ScrollView, can_focus=True):
    """The arrow keys or a click choose a picture. Only those in sight are read, by a thread."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture-grid--chosen", "picture-grid--name"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Previous", show=False),
        Binding("right", "move(1)", "Next", show=False),
        Binding("up", "row(-1)", "Above", show=False),
        Binding("down", "row(1)", "Beneath", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]
    DEFAULT_CSS = """
    PictureGrid {
        border: round $panel; border-title-color: $text-muted; background: $background;
        scrollbar-size-vertical: 1;
        &:focus { border: round $primary; border-title-color: $primary; }
        & > .picture-grid--name { color: $text-muted; }
        & > .picture-grid--chosen { background: $primary 40%; text-style: bold; }
    }
    """

    @dataclass
    class Chosen(Message):
        """The cursor is on this picture now."""

        at: int

    @dataclass
    class _Read(Message):
        """What a thread made of some of these pictures; None: it is none."""

        tiles: Sequence[Tile]
        found: dict[int, Image | None]
        bubble: ClassVar[bool] = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.at = 0
        self._tiles: Sequence[Tile] = ()
        self._pictures: dict[int, Image | None] = {}
        self._drawn: dict[int, list[list[Segment]]] = {}
        self._laid_out = (0, 0)

    def show(self, tiles: Sequence[Tile]) -> None:
        """Show these; where only what is said of them is new, the cursor and the pictures stay."""
        before, self._tiles = self._tiles, tiles
        if [tile.picture for tile in tiles] != [tile.picture for tile in before]:
            self.at = 0
            self._pictures, self._drawn = {}, {}
            self.scroll_to(y=0, animate=False)
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        rows = -(-len(self._tiles) // self._columns)
        self.virtual_size = Size(self._columns * (WIDTH + GAP), rows * self._height)
        laid_out, self._laid_out = self._laid_out, (self._columns, self._height)
        if laid_out != self._laid_out:
            # What is looked at lies elsewhere now.
            self.call_after_refresh(self._into_sight)
        self.refresh()
        self._read_on()

    @property
    def _columns(self) -> int:
        return max(1, (self.scrollable_content_region.width + GAP) // (WIDTH + GAP))

    @property
    def _height(self) -> int:
        """Lines of a tile: the picture, its name, what each model says, and a gap."""
        return HEIGHT + 1 + max((len(tile.said) for tile in self._tiles), default=1) + GAP

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self._read_on()

    # Pictures

    def _read_on(self) -> None:
        """Have a thread read the pictures in sight that have not been read."""
        tiles, columns = self._tiles, self._columns
        first = int(self.scroll_y) // self._height * columns
        count = (self.size.height // self._height + 2) * columns
        due = [
            at
            for at in range(first, min(first + count, len(tiles)))
            if at not in self._pictures and tiles[at].picture is not None
        ]
        if not due or not self.is_attached:
            return

        def work() -> None:
            worker, told = get_current_worker(), 0.0
            found: dict[int, Image | None] = {}
            for at in due:
                if worker.is_cancelled:
                    return
                found[at] = _small(tiles[at])
                if monotonic() - told >= refresh_interval() or at == due[-1]:
                    told = monotonic()
                    self.post_message(self._Read(tiles, found))
                    found = {}

        self.run_worker(work, thread=True, exclusive=True, group="read", exit_on_error=False)

    def on_picture_grid__read(self, message: _Read) -> None:
        if [tile.picture for tile in message.tiles] == [tile.picture for tile in self._tiles]:
            self._pictures |= message.found
            self.refresh()

    # Drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        row, line = divmod(y + int(self.scroll_y), self._height)
        segments: list[Segment] = []
        for at in range(row * self._columns, (row + 1) * self._columns):
            if at < len(self._tiles):
                segments += self._line(at, line)
                segments.append(Segment(" " * GAP, self.rich_style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _line(self, at: int, line: int) -> list[Segment]:
        """One line of a tile, as wide as a picture."""
        base, tile = self.rich_style, self._tiles[at]
        if line < HEIGHT:
            drawn = self._picture(at)
            return drawn[line] if line < len(drawn) else [Segment(" " * WIDTH, base)]
        words = (tile.name, *tile.said)
        if line - HEIGHT >= len(words):
            return [Segment(" " * WIDTH, base)]
        told = words[line - HEIGHT]
        style = self.get_component_rich_style("picture-grid--name") if line == HEIGHT else base
        if at == self.at:
            style += self.get_component_rich_style("picture-grid--chosen")
            if line == HEIGHT:
                told = clip(told, WIDTH - len(CURSOR), tail=True) + CURSOR
        return [Segment(fit(told, WIDTH), style)]

    def _picture(self, at: int) -> list[list[Segment]]:
        pixels = self._pictures.get(at)
        if pixels is None:
            waits = at not in self._pictures and self._tiles[at].picture is not None
            return [[Segment(fit(ELLIPSIS if waits else UNREADABLE, WIDTH), self.rich_style)]]
        if at not in self._drawn:
            self._drawn[at] = self._draw(pixels, self.rich_style)
        return self._drawn[at]

    def _draw(self, pixels: Image, base: Style) -> list[list[Segment]]:
        # Sixteen colours make noise of a photo, brightness in characters does not.
        if self.app.no_color or self.app.console.color_system == "standard":
            return [[Segment(fit(line, WIDTH), base)] for line in shades(pixels, WIDTH, HEIGHT)]
        drawn = []
        for row in half_blocks(pixels, WIDTH, HEIGHT):
            cells = [Segment(UPPER_HALF, base + cell_style(cell)) for cell in row]
            drawn.append([*cells, Segment(" " * (WIDTH - len(row)), base)])
        return drawn

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = {}

    # Choosing

    def _choose(self, at: int) -> None:
        at = max(0, min(at, len(self._tiles) - 1))
        if not self._tiles or at == self.at:
            return
        self.at = at
        self._into_sight()
        self.refresh()
        self.post_message(self.Chosen(at))

    def _into_sight(self) -> None:
        row = self.at // self._columns
        self.scroll_to_region(Region(0, row * self._height, 1, self._height), animate=False)

    def action_move(self, by: int) -> None:
        self._choose(self.at + by)

    def action_row(self, by: int) -> None:
        to = self.at + by * self._columns
        if 0 <= to < len(self._tiles) or by > 0:
            self._choose(to)

    def action_page(self, by: int) -> None:
        rows = max(1, self.size.height // self._height)
        self._choose(self.at + by * rows * self._columns)

    def action_first(self) -> None:
        self._choose(0)

    def action_last(self) -> None:
        self._choose(len(self._tiles) - 1)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None:
            return
        column = place.x // (WIDTH + GAP)
        row = (place.y + int(self.scroll_y)) // self._height
        if column < self._columns and row * self._columns + column < len(self._tiles):
            self._choose(row * self._columns + column)


def _small(tile: Tile) -> Image | None:
    """A picture in twice the pixels that are shown; None where it is none."""
    try:
        assert tile.picture is not None
        return decode(picture_of(tile.picture, tile.boxes), 2 * WIDTH, 4 * HEIGHT)
    except (LeptonError, ValueError):
        return None
