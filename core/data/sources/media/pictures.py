"""Whether bytes are a picture that decodes, found out as cheaply as is safe."""

from __future__ import annotations

import io

from core.data.sources.media.plain_pictures import MOST_PIXELS, plain_jpeg, plain_png

__all__ = ["MOST_PIXELS", "image_fault", "image_size"]


def image_fault(content: bytes) -> str | None:
    """What keeps these bytes from being an image, or None when they decode whole."""
    found = image_size(content)
    return found if isinstance(found, str) else None


def image_size(content: bytes) -> tuple[int, int] | str:
    """Width and height in pixels of an image that decodes whole, or in words what is wrong."""
    from PIL import Image, UnidentifiedImageError

    if not content:
        return "the file is empty"
    if found := plain_png(content) or plain_jpeg(content):
        return found
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = size = image.size
            if width * height > MOST_PIXELS:
                return f"the image is too large: {width:,} x {height:,} pixels"
            if image.format == "JPEG":
                # An eighth of the size: every byte is still read, the costly part is not done.
                image.draft(image.mode, (1, 1))
                image.load()
                return size
            image.verify()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except UnidentifiedImageError:
        return "the file is no image that can be decoded"
    except Image.DecompressionBombError:
        return "the image is too large"
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        return f"the image does not decode: {error}"
    return size
