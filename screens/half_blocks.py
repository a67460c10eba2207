"""Pictures in a terminal: an image as rows of cells, each the two pixels above one another.

A cell is about twice as tall as it is wide, so a half block `▀` with a foreground and a background
colour shows two square pixels. Where there is no colour, ten ASCII characters stand for brightness.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image as PillowImage

    Image = npt.NDArray[np.uint8]

RGB = tuple[int, int, int]
Cell = tuple[RGB, RGB | None]
UPPER_HALF = "▀"
SHADES = " .:-=+*#%@"
MOST_PIXELS = 89_000_000  # beyond it Pillow warns on the terminal


def decode(data: bytes, width: int = 512, height: int = 512) -> Image:
    """Pixels [h, w] or [h, w, 3] of an encoded image, no larger than about `width` x `height`.

    Raises ValueError, in words for a person, when the bytes are no image that Pillow can read.
    """
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with Pillow.open(io.BytesIO(data)) as image:
            if image.width * image.height <= MOST_PIXELS:
                image.draft("RGB", (width, height))
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((width, height))
                if upright.mode.startswith(("I", "F")):
                    return _stretched(np.asarray(upright, dtype=np.float64))
                mode = "L" if upright.mode in {"1", "L"} else "RGB"
                return np.asarray(_on_black(upright).convert(mode), dtype=np.uint8)
            size = f"{image.width} x {image.height}"
    except Pillow.DecompressionBombError as error:
        raise ValueError("these are too many pixels to show") from error
    except Exception as error:  # what Pillow's readers raise on damaged bytes is of every kind
        raise ValueError("these bytes are not an image that can be read") from error
    raise ValueError(f"{size} pixels are too many to show")


def _stretched(values: npt.NDArray[np.float64]) -> Image:
    """Brightness that is not in 0 to 255 (16 bit, floats), from the darkest to the lightest."""
    import numpy as np

    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    stretched: Image = ((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return stretched


def _on_black(image: PillowImage) -> PillowImage:
    from PIL import Image as Pillow

    if "transparency" not in image.info and image.mode not in {"RGBA", "LA", "PA", "La", "RGBa"}:
        return image
    seen = image.convert("RGBA")
    return Pillow.alpha_composite(Pillow.new("RGBA", seen.size, "black"), seen)


def scaled(image: Image, width: int, height: int) -> Image:
    """The image [h', w', 3] scaled into `width` x `height` pixels with its aspect kept.

    A small one grows by a whole factor (each of its pixels stays a sharp square), a large one
    shrinks to the mean of what each new pixel covers. Raises ValueError for an array that is none.
    """
    import numpy as np

    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype != np.uint8:
        raise ValueError(
            f"an image is uint8 [height, width] or [height, width, 3];"
            f" this is {image.dtype} {list(image.shape)}"
        )
    rows, columns = pixels.shape[:2]
    factor = min(width / columns, height / rows)
    if factor >= 1:
        times = int(factor)
        return pixels.repeat(times, axis=0).repeat(times, axis=1)
    return _shrunk(
        _shrunk(pixels, max(1, round(rows * factor)), 0), max(1, round(columns * factor)), 1
    )


def _shrunk(pixels: Image, length: int, axis: int) -> Image:
    import numpy as np

    edges = np.arange(length + 1) * pixels.shape[axis] // length
    sums = np.add.reduceat(pixels, edges[:-1], axis=axis, dtype=np.float64)
    counts = np.diff(edges).reshape([-1 if i == axis else 1 for i in range(3)])
    mean: Image = (sums / counts + 0.5).astype(np.uint8)
    return mean


def half_blocks(image: Image, width: int, height: int) -> list[list[Cell]]:
    """Rows of (top, bottom) colours that fit `width` x `height` cells; bottom is None below the
    last row of an image with an odd number of them."""
    if width < 1 or height < 1:
        return []
    pixels: list[list[RGB]] = [
        [(r, g, b) for r, g, b in row] for row in scaled(image, width, height * 2).tolist()
    ]
    rows: list[list[Cell]] = []
    for y in range(0, len(pixels), 2):
        below: list[RGB] | list[None] = (
            pixels[y + 1] if y + 1 < len(pixels) else [None] * len(pixels[y])
        )
        rows.append(list(zip(pixels[y], below, strict=True)))
    return rows


def shades(image: Image, width: int, height: int) -> list[str]:
    """Lines of ASCII that fit `width` x `height` cells, from a space (black) to @ (white)."""
    return ["".join(map(_shade, row)) for row in half_blocks(image, width, height)]


def _shade(cell: Cell) -> str:
    seen = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in (pixel for pixel in cell if pixel)]
    return SHADES[min(int(sum(seen) / len(seen) * len(SHADES) / 256), len(SHADES) - 1)]


def cell_style(cell: Cell) -> Style:
    """The style that makes `▀` show the two pixels of a cell."""
    top, bottom = cell
    return Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom) if bottom else None)


def picture(image: Image, width: int, height: int, *, colour: bool) -> Text:
    """The image for `rich`'s console: half blocks where there is colour, else ASCII shades."""
    text = Text(no_wrap=True, end="")
    if not colour:
        return text.append("\n".join(shades(image, width, height)))
    for index, row in enumerate(half_blocks(image, width, height)):
        if index:
            text.append("\n")
        for cell in row:
            text.append(UPPER_HALF, cell_style(cell))
    return text
