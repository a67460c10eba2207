"""Encoded images to pixels: decoding with limits, grey or RGB, one size."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from struct import unpack_from
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image, ImageOps

from core.errors import LeptonError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = np.ndarray[Any, Any]
T = TypeVar("T")

MOST_PIXELS = 64_000_000
"""A larger image is refused before its pixels are decoded."""
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
"""How a PNG begins; width and height come next."""
_PNG_HEAD = len(_PNG) + 8
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_GREY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112
_WORTH_THREADS = 4
"""So many pictures are decoded in threads: for one, starting them takes longer than decoding."""
_TOGETHER = 16
"""So many at most go to a thread at once."""
_SMALL = 2048
"""Pictures of fewer bytes, in the mean, are decoded one by one: most of that is Python's own work,
and threads that wait for its lock take twice as long."""


def decode(content: object, channels: int, size: tuple[int, int] | None = None) -> Array:
    """Pixels, uint8 [channels, height, width]: turned upright, on white, grey (1) or RGB (3).

    An image of another `size` (height, width) is stretched to it, whole, with an area filter.

    Raises:
        ValueError: it is no image, a damaged one, or one too large.
    """
    with _open(content) as opened:
        try:
            if size and opened.format == "JPEG":
                opened.draft(None, (2 * size[1], 2 * size[0]))
            upright = ImageOps.exif_transpose(opened)
            image = _flat(upright, "L" if channels == 1 else "RGB")
            if size and image.size != (size[1], size[0]):
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise ValueError(f"damaged image: {error}") from error
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def letterboxed(content: object, fill: Sequence[int], size: tuple[int, int]) -> tuple[Array, Array]:
    """The image at the top left of a canvas, as large as fits, its sides in their own ratio.

    The canvas is uint8 [channels, height, width]; what the image leaves free has the colour `fill`,
    a value for each channel. Beside it, float32 [4]: how many pixels of the canvas one of the image
    is, across and down, and the image's own width and height.

    Raises:
        ValueError: as `decode`.
    """
    height, width = own_size(content)
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.empty((len(fill), *size), np.uint8)
    canvas[:] = np.array(fill, np.uint8)[:, None, None]
    canvas[:, : inner[0], : inner[1]] = decode(content, len(fill), inner)
    frame = (inner[1] / width, inner[0] / height, width, height)
    return canvas, np.array(frame, np.float32)


def own_size(content: object) -> tuple[int, int]:
    """Height and width of an image as a person sees it; its pixels are not decoded.

    Raises:
        ValueError: it is no image, or one too large.
    """
    if isinstance(content, bytes) and content.startswith(_PNG) and len(content) >= _PNG_HEAD:
        # A service asks this of every picture, and Pillow reads far more of it.
        width, height = unpack_from(">II", content, len(_PNG))
        if 0 < width * height <= MOST_PIXELS:
            return height, width
    return _header(content)[0]


class Standard:
    """Pixels as a model wants them: of mean 0 and deviation 1 in each channel, on their device.

    `mean` and `std` are the training split's, in units of the full range (0 to 1).
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = tuple(mean)
        self.std = tuple(std)
        self._affine: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(self, image: Tensor) -> Tensor:
        """Images [n, channels, height, width] from 0 to 255 as float32, channels last."""
        import torch

        if image.device not in self._affine:
            scale = torch.tensor([1 / (255 * std) for std in self.std], device=image.device)
            shift = -torch.tensor(self.mean, device=image.device) * 255 * scale
            self._affine[image.device] = scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)
        scale, shift = self._affine[image.device]
        floats = image.to(torch.float32, memory_format=torch.channels_last)
        return floats.mul_(scale).add_(shift)


def in_threads(work: Callable[[int], T], contents: Sequence[object]) -> Iterator[T]:
    """`work(at)` for each of these pictures, in order, on the processor's cores; Pillow frees the
    lock."""
    count = len(contents)
    size = sum(len(each) for each in contents if isinstance(each, bytes))
    if count < _WORTH_THREADS or size < count * _SMALL:
        yield from map(work, range(count))
        return
    threads = min(8, os.cpu_count() or 1, count)
    # To hand a small picture over takes as long as to decode it, so several go together.
    several = min(_TOGETHER, -(-count // threads))
    with ThreadPoolExecutor(threads) as pool:
        starts = range(0, count, several)
        for made in pool.map(
            lambda start: [*map(work, range(start, min(start + several, count)))], starts
        ):
            yield from made


class Survey:
    """What a set of images says about the size, channels and brightness to train with.

    Every image is asked for its size and mode; every `sampled_every`-th one is decoded.
    """

    def __init__(self, sampled_every: int = 1) -> None:
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.grey = True
        self._every = sampled_every
        self._decoded = 0
        self._sums = np.zeros((2, 3))

    def add(self, contents: Sequence[object]) -> Iterator[tuple[int, ValueError]]:
        """Look at more images; yields position and error of each that cannot be read."""
        first = self.sizes.total()

        def look(at: int) -> tuple[tuple[int, int], bool, Array | None] | ValueError:
            try:
                size, grey = _header(contents[at])
                sums = _sums(contents[at]) if (first + at) % self._every == 0 else None
            except ValueError as error:
                return error
            return size, grey, sums

        for at, seen in enumerate(in_threads(look, contents)):
            if isinstance(seen, ValueError):
                yield at, seen
                continue
            size, grey, sums = seen
            self.sizes[size] += 1
            self.grey = self.grey and grey
            if sums is not None:
                self._decoded += 1
                self._sums += sums

    def size(self, most: int) -> tuple[int, int]:
        """Height and width: the common one, or the median in steps of 8.

        The longer side is at most `most` and the shorter one at least 8.
        """
        if len(self.sizes) == 1:
            ((height, width),) = self.sizes
        else:
            medians = np.median(np.array([*self.sizes.elements()]), axis=0)
            height, width = (8 * round(side / 8) for side in medians)
        scale = min(1.0, most / max(height, width, 1))
        return max(8, round(height * scale)), max(8, round(width * scale))

    def moments(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel, in units of the full range (0 to 1)."""
        mean, squares = self._sums / max(1, self._decoded)
        std = np.sqrt(np.maximum(squares - mean**2, 0)).clip(min=1 / 255)
        channels = 1 if self.grey else 3
        return mean[:channels].tolist(), std[:channels].tolist()


def unreadable(error: ValueError, column: str, where: str) -> LeptonError:
    """The error that names the image."""
    return LeptonError(
        f"the image cannot be read: {error}",
        where=f"column {column}, {where}",
        hint="Remove the row or replace the file; `lepton data check` finds all of them.",
    )


def _header(content: object) -> tuple[tuple[int, int], bool]:
    """(height, width) as a person sees the image, and whether it is grey; nothing is decoded."""
    with _open(content) as image:
        width, height = image.size
        if image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        return (height, width), image.mode in _GREY


def _sums(content: object) -> Array:
    """The means of the pixels and of their squares, float64 [2, 3], from 0 to 1."""
    pixels = decode(content, 3) / 255
    return np.array([pixels.mean((1, 2)), (pixels**2).mean((1, 2))])


def _open(content: object) -> Image.Image:
    if not isinstance(content, bytes):
        raise ValueError("there is none" if content is None else "it is not bytes")  # noqa: TRY004
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"too many pixels, more than {MOST_PIXELS:,}") from error
    except (OSError, SyntaxError, ValueError, TypeError) as error:
        raise ValueError("not an image in a known format") from error
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,} in all")
    return image


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """The image in `mode`, transparent parts on white, 16-bit grey brought down to 8."""
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image if image.mode == mode else image.convert(mode)
