"""PNG and JPEG files of the usual make, known to decode without being decoded.

What is said here to be sound is sound to Pillow too; of all else nothing is said. A look takes a
fifth of the time, most of which Pillow spends on objects.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from functools import lru_cache

# A small file can unpack into a picture that fills the memory.
MOST_PIXELS = 64_000_000
# libjpeg takes no longer side.
_LONGEST_JPEG = 65_500
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"

# Samples of a pixel and the depths they come in, by the type of colour that a PNG's header names.
_SAMPLES = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
# Chunks that nothing can be wrong with but their length, and the fewest bytes of each.
_CHUNKS = {
    b"IHDR": 13,
    b"PLTE": 3,
    b"IDAT": 0,
    b"IEND": 0,
    b"tRNS": 6,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"pHYs": 9,
    b"tIME": 7,
    b"tEXt": 0,
}

_FRAMES = (0xC0, 0xC1)  # all frequencies at once, coded by Huffman's way
_HUFFMAN, _QUANTISATION, _RESTART, _SCAN, _COMMENT = 0xC4, 0xDB, 0xDD, 0xDA, 0xFE
# What a program may say of itself: how it begins, and the fewest bytes that decoders take it by.
_TOLD = {0xE0: (b"JFIF\0", 14), 0xE2: (b"ICC_PROFILE\0", 15), 0xEE: (b"Adobe", 12)}
# What a camera says has a format of its own.
_CAMERA = 0xE1
# In the codes of pixels a byte of ones stands before a zero, or begins a mark to start anew from.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_END = b"\xff\xd9"
# Colours may have half the lines and half the columns of the brightness.
_SAMPLING = (b"\x11\x11\x11", b"\x21\x11\x11", b"\x12\x11\x11", b"\x22\x11\x11")


def plain_png(content: bytes) -> tuple[int, int] | None:
    """The size of a PNG that is sound to its last check sum; None where that is not sure.

    It is the stricter of the two: Pillow takes pixels whose check sum is wrong.
    """
    if not content.startswith(PNG + b"\0\0\0\x0dIHDR") or len(content) < 57:
        return None
    width, height, depth, colour, *ways = struct.unpack_from(">IIBBBBB", content, 16)
    samples, depths = _SAMPLES.get(colour, (0, ()))
    if depth not in depths or any(ways) or not 0 < width * height <= MOST_PIXELS:
        return None
    parts: list[bytes] = []
    palette, kind, at = False, b"", len(PNG)
    while kind != b"IEND":
        if at + 12 > len(content):
            return None
        (size,) = struct.unpack_from(">I", content, at)
        end = at + 8 + size
        before, kind = kind, content[at + 4 : at + 8]
        if size < _CHUNKS.get(kind, size + 1):
            return None
        if content[end : end + 4] != zlib.crc32(content[at + 4 : end]).to_bytes(4, "big"):
            return None
        if kind == b"IDAT":
            # Decoders end at what stands between two pieces of the pixels.
            if parts and before != b"IDAT":
                return None
            parts.append(content[at + 8 : end])
        elif kind == b"PLTE":
            if parts or size % 3 or size > 768:
                return None
            palette = True
        at = end + 4
    if colour == 3 and not palette:
        return None
    stride = 1 + (width * depth * samples + 7) // 8
    inflate = zlib.decompressobj()
    try:
        pixels = inflate.decompress(b"".join(parts), stride * height)
    except zlib.error:
        return None
    # Each line begins with the number of its filter.
    whole = len(pixels) == stride * height and max(pixels[::stride]) <= 4
    return (width, height) if whole else None


def plain_jpeg(content: bytes) -> tuple[int, int] | None:
    """The size of a JPEG of one scan whose tables are sound and whose scan comes to its end.

    Decoders refuse a JPEG for its tables, and one that ends too early; what else is wrong in a
    scan, they do not tell from a picture.
    """
    if not content.startswith(JPEG):
        return None
    frame = b""
    tables: set[tuple[str, int]] = set()
    at, last, camera = 2, len(content) - 4, False
    while at <= last and content[at] == 0xFF:
        marker = content[at + 1]
        end = at + 2 + (content[at + 2] << 8 | content[at + 3])
        body = content[at + 4 : end]
        if marker == _SCAN:
            size = _scanned(content, frame, tables, body, end)
            return size if size and (not camera or _opens(content)) else None
        if marker in (_HUFFMAN, _QUANTISATION):
            found = (_codes if marker == _HUFFMAN else _divisors)(body)
            if found is None:
                return None
            tables |= found
        elif marker in _FRAMES and not frame:
            frame = body
        elif marker in _TOLD:
            word, least = _TOLD[marker]
            if not body.startswith(word) or len(body) < least:
                return None
        elif marker == _CAMERA:
            camera = True
        elif marker != _COMMENT and (marker != _RESTART or len(body) != 2):
            return None
        at = end
    return None


def _opens(content: bytes) -> bool:
    """Whether Pillow can read all that stands before the scan."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)):
            return True
    except Exception:  # whatever is wrong with it, decoding tells
        return False


def _scanned(
    content: bytes, frame: bytes, tables: set[tuple[str, int]], head: bytes, start: int
) -> tuple[int, int] | None:
    """The size, where the scan has the tables that its frame asks for, and an end."""
    if len(frame) < 6:
        return None
    depth, height, width, colours = struct.unpack_from(">BHHB", frame)
    if depth != 8 or colours not in (1, 3) or max(width, height) > _LONGEST_JPEG:
        return None
    if not 0 < width * height <= MOST_PIXELS:
        return None
    names, sampling, divisors = (frame[6 + i :: 3] for i in range(3))
    if len(frame) != 6 + 3 * colours or len(set(names)) != colours:
        return None
    if sampling not in _SAMPLING and sampling not in (b"\x11", b"\x22"):
        return None
    # All colours in one scan, all frequencies at once.
    if len(head) != 4 + 2 * colours or head[0] != colours or head[-3:] != b"\0\x3f\0":
        return None
    if head[1:-3:2] != names:
        return None
    wanted = {("divisors", each) for each in divisors}
    for pair in head[2:-3:2]:
        wanted |= {("first", pair >> 4), ("rest", pair & 15)}
    if not wanted <= tables:
        return None
    after = _NEXT_MARKER.search(content, start)
    return (width, height) if after is not None and after.group() == _END else None


@lru_cache(maxsize=256)
def _divisors(body: bytes) -> frozenset[tuple[str, int]] | None:
    """The tables that a segment defines of what the frequencies were divided by."""
    found: set[tuple[str, int]] = set()
    at = 0
    while at < len(body):
        wide, number = divmod(body[at], 16)
        at += 1 + (128 if wide else 64)
        if wide > 1 or number > 3 or at > len(body):
            return None
        found.add(("divisors", number))
    return frozenset(found)


@lru_cache(maxsize=256)
def _codes(body: bytes) -> frozenset[tuple[str, int]] | None:
    """The tables of Huffman's codes that a segment defines; None where one is no code."""
    found: set[tuple[str, int]] = set()
    at = 0
    while at < len(body):
        rest, number = divmod(body[at], 16)
        lengths = body[at + 1 : at + 17]
        at += 17 + sum(lengths)
        symbols = body[at - sum(lengths) : at]
        if rest > 1 or number > 3 or at > len(body) or len(lengths) < 16 or sum(lengths) > 256:
            return None
        if not rest and any(symbol > 15 for symbol in symbols):
            return None
        free = 1
        for count in lengths:
            free = 2 * free - count
            # The code of ones alone is never given.
            if free < 1:
                return None
        found.add(("rest" if rest else "first", number))
    return frozenset(found)
