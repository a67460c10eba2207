"""PNG files made from arrays, ten times as quickly as by way of an image object."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 pixels `[height, width]` (grey) or `[height, width, 3]` (RGB) without loss."""
    import numpy as np

    height, width = pixels.shape[:2]
    colour = COLOUR if pixels.ndim == 3 else GREY
    # Each line begins with the number of its filter: 0, none.
    lines = np.zeros((height, 1 + pixels.size // height), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
