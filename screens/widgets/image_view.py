"""ImageView: a picture drawn with half blocks, scaled to the space there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from screens.half_blocks import UPPER_HALF, cell_style, decode, half_blocks, shades
from screens.text import fit

if TYPE_CHECKING:
    from screens.half_blocks import Image


class ImageView(Widget):
    """Shows encoded bytes or pixels [h, w] or [h, w, 3]; what is no image says so in words."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"image-view--problem"}
    DEFAULT_CSS = """
    ImageView {
        width: 1fr; height: 1fr;
        & > .image-view--problem { color: $text-muted; }
    }
    """

    @dataclass
    class _Decoded(Message):
        """What a thread made of encoded bytes: pixels, or words about why there are none."""

        encoded: bytes
        pixels: Image | None
        problem: str = ""

        bubble: ClassVar[bool] = False

    def __init__(self, image: bytes | Image | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._encoded: bytes | None = None
        self._pixels: Image | None = None
        self._problem = ""
        self._strips: list[Strip] = []
        self._drawn_for: tuple[Size, bool] | None = None
        self.show(image)

    def show(self, image: bytes | Image | None) -> None:
        """Show another picture, or none; a thread decodes bytes, as a photo takes a while."""
        self._encoded = image if isinstance(image, bytes) else None
        self._have(None if isinstance(image, bytes) else image)
        if self.is_attached:
            self._decode()

    def on_mount(self) -> None:
        self._decode()

    def _decode(self) -> None:
        encoded = self._encoded
        if encoded is None:
            return

        def work() -> None:
            try:
                answer = self._Decoded(encoded, decode(encoded))
            except ValueError as error:
                answer = self._Decoded(encoded, None, str(error))
            self.post_message(answer)

        self.run_worker(work, thread=True, group="decode", exclusive=True, exit_on_error=False)

    def on_image_view__decoded(self, message: _Decoded) -> None:
        if message.encoded is self._encoded:
            self._have(message.pixels, message.problem)

    def _have(self, pixels: Image | None, problem: str = "") -> None:
        self._pixels, self._problem = pixels, problem
        self._drawn_for = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        # Sixteen colours make noise of a photo, brightness in characters does not.
        colour = not self.app.no_color and self.app.console.color_system != "standard"
        if self._drawn_for != (self.size, colour):
            self._drawn_for = (self.size, colour)
            self._strips = self._draw(colour=colour)
        blank = Strip.blank(self.size.width, self.rich_style)
        if y >= len(self._strips):
            return blank
        return self._strips[y].extend_cell_length(self.size.width, self.rich_style)

    def _draw(self, *, colour: bool) -> list[Strip]:
        problem = self._problem
        if self._pixels is not None:
            try:
                return self._picture(self._pixels, colour=colour)
            except ValueError as error:
                problem = str(error)
        style = self.get_component_rich_style("image-view--problem")
        return [Strip([Segment(fit(problem, self.size.width), style)])] if problem else []

    def _picture(self, pixels: Image, *, colour: bool) -> list[Strip]:
        base = self.rich_style
        if not colour:
            return [Strip([Segment(line, base)]) for line in shades(pixels, *self.size)]
        return [
            Strip([Segment(UPPER_HALF, base + cell_style(cell)) for cell in row])
            for row in half_blocks(pixels, *self.size)
        ]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn_for = None
