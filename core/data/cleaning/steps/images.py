"""Steps on images: another size, another format."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.view import quoted
from core.data.sources.media.image_folder import MOST_PIXELS
from core.errors import UsageError
from core.settings import setting

if TYPE_CHECKING:
    from PIL.Image import Image

AT_ONCE = 64
THREADS = 4
LARGEST = 16_384


@dataclass(frozen=True)
class ResizeImages(Step):
    do: ClassVar[str] = "resize-images"
    help: ClassVar[str] = "Give images another size; their format stays."

    width: int = setting("Pixels across")
    height: int | None = setting("Pixels down; as many as across if unset", None)
    columns: tuple[str, ...] = setting("Columns of images; all of them if none is named", ())
    fit: Literal["stretch", "cover", "contain"] = setting(
        "Stretch the image; cover the size and cut what is over; or fit into it, black around",
        "stretch",
    )

    def check(self) -> None:
        if not all(1 <= side <= LARGEST for side in (self.width, self.height or 1)):
            raise UsageError(f"an image is 1 to {LARGEST:,} pixels wide and high")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        _rewrite(sheet, self.columns, self._resized)

    def _resized(self, content: bytes) -> bytes:
        from PIL import Image, ImageOps

        size = (self.width, self.height or self.width)
        with Image.open(io.BytesIO(content)) as image:
            _check_size(image)
            form = image.format or "PNG"
            if image.size == size and image.getexif().get(0x0112, 1) == 1:
                return content
            upright: Image.Image = ImageOps.exif_transpose(image)
            if upright.mode == "P":
                upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB")
            how = Image.Resampling.NEAREST if upright.mode == "1" else Image.Resampling.LANCZOS
            if self.fit == "cover":
                made = ImageOps.fit(upright, size, how)
            elif self.fit == "contain":
                made = ImageOps.pad(upright, size, how)
            else:
                made = upright.resize(size, how)
            return _encoded(made, form, 92)


@dataclass(frozen=True)
class RecodeImages(Step):
    do: ClassVar[str] = "recode-images"
    help: ClassVar[str] = "Write images in one format and one kind of colour."

    columns: tuple[str, ...] = setting("Columns of images; all of them if none is named", ())
    format: Literal["png", "jpeg", "webp"] = setting("The format", "png")
    colours: Literal["keep", "rgb", "grey"] = setting("Colour, or shades of grey", "keep")
    quality: int = setting("1 to 100, for jpeg and webp", 92)

    def check(self) -> None:
        if not 1 <= self.quality <= 100:
            raise UsageError('"quality" is 1 to 100')

    def run(self, sheet: Sheet, learned: Learned) -> None:
        _rewrite(sheet, self.columns, self._recoded)

    def _recoded(self, content: bytes) -> bytes:
        from PIL import Image, ImageOps

        mode = {"keep": None, "rgb": "RGB", "grey": "L"}[self.colours]
        with Image.open(io.BytesIO(content)) as image:
            _check_size(image)
            same = image.format == self.format.upper() and mode in (None, image.mode)
            if same and image.getexif().get(0x0112, 1) == 1:
                return content
            made: Image.Image = ImageOps.exif_transpose(image)
            if mode is not None and made.mode != mode:
                made = made.convert(mode)
            return _encoded(made, self.format.upper(), self.quality)


def _check_size(image: Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise ValueError("an image of that size could fill the memory")


def _encoded(image: Image, form: str, quality: int) -> bytes:
    if form == "JPEG" and image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode in ("1", "I;16", "LA") else "RGB")
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": quality} if form in ("JPEG", "WEBP") else {}
    image.save(out, form, **options)
    return out.getvalue()


def _rewrite(sheet: Sheet, columns: tuple[str, ...], made: Callable[[bytes], bytes]) -> None:
    """Give every image what is made of it; one that cannot be read stays as it is, and counts."""
    from PIL.Image import DecompressionBombError

    unreadable = 0

    def one(content: bytes) -> bytes | None:
        try:
            return made(content)
        except (OSError, ValueError, SyntaxError, KeyError, DecompressionBombError):
            return None

    def every(cells: list[bytes]) -> list[bytes]:
        nonlocal unreadable
        answers = list(pool.map(one, cells))
        unreadable += answers.count(None)
        return [old if new is None else new for old, new in zip(cells, answers, strict=True)]

    changed = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="images") as pool:
        for column in sheet.media(columns, "image"):
            where = f"{quoted(column.name)} IS NOT NULL"
            changed += sheet.rewrite(column, where, every, at_once=AT_ONCE)
    sheet.did |= {"cells changed": changed, "unreadable": unreadable}
