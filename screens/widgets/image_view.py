"""ImageView: a picture drawn with half blocks, scaled to the space there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widget import Widget

from screens.half_blocks import decode, picture

if TYPE_CHECKING:
    from screens.half_blocks import Image


class ImageView(Widget):
    """Shows encoded bytes or pixels [h, w] or [h, w, 3]; what is no image says so in words."""

    DEFAULT_CSS = """
    ImageView { width: 1fr; height: 1fr; }
    """

    def __init__(self, image: bytes | Image | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pixels: Image | None = None
        self._problem = ""
        self.show(image)

    def show(self, image: bytes | Image | None) -> None:
        """Show another picture, or none."""
        self._pixels, self._problem = None, ""
        try:
            self._pixels = decode(image) if isinstance(image, bytes) else image
        except ValueError as error:
            self._problem = str(error)
        self.refresh()

    def render(self) -> Text:
        if self._pixels is None:
            return Text(self._problem, "dim")
        return picture(
            self._pixels,
            self.content_size.width,
            self.content_size.height,
            colour=not self.app.no_color,
        )
