"""Pictures that are known to decode without being decoded: never one that Pillow refuses."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from core.data.sources.media import plain_pictures
from core.data.sources.media.pictures import image_fault, image_size
from core.data.sources.media.plain_pictures import plain_jpeg, plain_png

SIZE = (45, 37)


def scene(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Slopes with noise over them: every table of a JPEG is needed."""
    noise = np.random.default_rng(7)
    across = np.linspace(0, 200, size[0])[None, :, None]
    pixels = (across + noise.integers(0, 56, (size[1], size[0], 3))).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def camera() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x011A], exif[0x0128] = "a camera", 6, 72.0, 2
    return exif


def jpegs() -> Iterator[tuple[str, bytes]]:
    for quality in (1, 20, 75, 95, 100):
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            name = f"quality {quality}, {subsampling}"
            yield name, saved(scene(), "JPEG", quality=quality, subsampling=subsampling)
        yield f"quality {quality}, grey", saved(scene("L"), "JPEG", quality=quality)
    yield "tables of its own", saved(scene(), "JPEG", optimize=True)
    yield "marks to start anew from", saved(scene(), "JPEG", restart_marker_blocks=1)
    yield "a comment", saved(scene(), "JPEG", comment=b"a word")
    yield "colours kept", saved(scene(), "JPEG", keep_rgb=True)
    yield "a profile of colours", saved(scene(), "JPEG", icc_profile=bytes(3000))
    yield "from a camera", saved(scene(), "JPEG", exif=camera())
    yield "something behind it", saved(scene(), "JPEG") + b"\0" * 100


def pngs() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield mode, saved(scene("L" if mode == "I;16" else mode).convert(mode), "PNG")
    yield "of few colours", saved(scene().quantize(5), "PNG")
    yield "with what a program says", saved(scene(), "PNG", dpi=(72, 72))


JPEGS, PNGS = dict(jpegs()), dict(pngs())


def decodes(content: bytes) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            image.load()
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", JPEGS)
def test_usual_jpegs_are_known(name: str) -> None:
    assert decodes(JPEGS[name])
    assert plain_jpeg(JPEGS[name]) == SIZE


@pytest.mark.parametrize("name", PNGS)
def test_usual_pngs_are_known(name: str) -> None:
    assert decodes(PNGS[name])
    assert plain_png(PNGS[name]) == SIZE


def test_nothing_is_said_of_what_is_seldom() -> None:
    for content in (
        saved(scene(), "JPEG", progressive=True),
        saved(scene("CMYK"), "JPEG"),
        saved(scene(), "PNG", icc_profile=b"a profile"),
        saved(scene(), "GIF"),
        saved(scene(), "WEBP"),
    ):
        assert decodes(content)
        assert plain_jpeg(content) is None
        assert plain_png(content) is None
        assert image_size(content) == SIZE


@pytest.mark.parametrize("name", ["quality 75, 4:2:0", "quality 75, grey", "from a camera"])
def test_a_jpeg_cut_short_anywhere_is_not_known(name: str) -> None:
    whole = JPEGS[name]
    for end in range(len(whole)):
        assert plain_jpeg(whole[:end]) is None, end
    assert "does not decode" in (image_fault(whole[: len(whole) // 2]) or "")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_garbage(marker: int, change: dict[int, int]) -> bytes:
    """A JPEG, the first segment of `marker` changed at some of its bytes."""
    content = bytearray(JPEGS["quality 75, 4:2:0"])
    start = content.index(bytes([0xFF, marker])) + 4
    for place, value in change.items():
        content[start + place] = value
    return bytes(content)


def with_segment(marker: int, body: bytes) -> bytes:
    """A JPEG, the first segment of `marker` made anew."""
    content = JPEGS["quality 75, 4:2:0"]
    start = content.index(bytes([0xFF, marker]))
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    return content[:start] + segment(marker, body) + content[end:]


def code(counts: bytes) -> bytes:
    return b"\0" + counts.ljust(16, b"\0") + bytes(range(sum(counts)))


DAMAGED = {
    "a code with more words than fit": with_segment(0xC4, code(b"\1\3")),
    "a code with the word of ones alone": with_segment(0xC4, code(b"\1\2")),
    "a code that is cut short": with_segment(0xC4, code(b"\1\1\1")[:-1]),
    "a difference of more than fifteen bits": with_segment(0xC4, code(b"\0\0\0\0\0\x12")),
    "a code of a length that is none": with_garbage(0xC4, {5: 17}),
    "a table of codes with a wrong number": with_garbage(0xC4, {0: 9}),
    "a table of divisors with a wrong number": with_garbage(0xDB, {0: 9}),
    "a table of divisors that is missing": with_garbage(0xDB, {0: 3}),
    "twelve bits": with_garbage(0xC0, {0: 12}),
    "no lines": with_garbage(0xC0, {1: 0, 2: 0}),
    "a sampling of five": with_garbage(0xC0, {7: 0x51}),
    "a scan of colours that are none": with_garbage(0xDA, {1: 9}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_garbage_in_a_table_is_not_known(name: str) -> None:
    assert plain_jpeg(DAMAGED[name]) is None
    assert not decodes(DAMAGED[name])
    assert isinstance(image_size(DAMAGED[name]), str)


def test_what_a_camera_says_must_be_readable() -> None:
    content = bytearray(JPEGS["from a camera"])
    resolution = content.index(b"\x01\x1a\x00\x05")
    content[resolution + 3] = 1
    assert not decodes(bytes(content)), "Pillow looks up how many dots an inch has"
    assert plain_jpeg(bytes(content)) is None


def test_a_jpeg_that_says_to_be_larger_than_the_memory() -> None:
    assert plain_jpeg(with_garbage(0xC0, {1: 0xFF, 2: 0, 3: 0xFF, 4: 0})) is None
    assert "too large" in (image_fault(with_garbage(0xC0, {1: 0xFF, 2: 0, 3: 0xFF, 4: 0})) or "")


def chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def test_a_png_with_a_wrong_check_sum_is_not_known() -> None:
    whole = PNGS["RGB"]
    for kind in (b"IHDR", b"IDAT", b"IEND"):
        damaged = bytearray(whole)
        at = damaged.index(kind)
        size = int.from_bytes(damaged[at - 4 : at], "big")
        damaged[at + 4 + size] ^= 0x55
        assert plain_png(bytes(damaged)) is None, kind
    damaged = bytearray(whole)
    damaged[damaged.index(b"IHDR") + 18] ^= 1
    assert "does not decode" in (image_fault(bytes(damaged)) or "") or "no image" in (
        image_fault(bytes(damaged)) or ""
    )


def png(head: bytes, *chunks: bytes) -> bytes:
    return b"".join([plain_pictures.PNG, chunk(b"IHDR", head), *chunks, chunk(b"IEND", b"")])


def test_sound_check_sums_over_nonsense_are_not_enough() -> None:
    grey = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(20)))
    assert plain_png(png(grey, pixels)) == (4, 4)
    for why, content in {
        "too few pixels": png(grey, chunk(b"IDAT", zlib.compress(bytes(19)))),
        "no filter": png(grey, chunk(b"IDAT", zlib.compress(b"\5" * 20))),
        "a depth that the colour has not": png(
            grey[:8] + b"\4\2\0\0\0", chunk(b"IDAT", zlib.compress(bytes(28)))
        ),
        "pixels with a word between": png(
            grey,
            *(chunk(b"IDAT", zlib.compress(bytes(20))[:9]), chunk(b"tEXt", b"a\0b")),
            chunk(b"IDAT", zlib.compress(bytes(20))[9:]),
        ),
        "a filter category": png(grey[:11] + b"\1\0", pixels),
        "indices without a palette": png(grey[:9] + b"\3\0\0\0", pixels),
        "a gamma that is cut short": png(grey, chunk(b"gAMA", b"\0"), pixels),
        "a profile that is none": png(grey, chunk(b"iCCP", b"a\0\7"), pixels),
    }.items():
        assert plain_png(content) is None, why


def broken(whole: bytes, chance: random.Random) -> bytes:
    """Bytes changed, left out, doubled, or cut off, most often in the tables."""
    content = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        reach = len(content) if chance.random() < 0.3 else min(len(content), 700)
        at = chance.randrange(2, reach)
        way = chance.random()
        if way < 0.7:
            content[at] = chance.choice((0, 0xFF, chance.randrange(256), content[at] ^ 1))
        elif way < 0.8:
            del content[at : at + chance.randint(1, 40)]
        elif way < 0.9:
            content[at:at] = content[at : at + chance.randint(1, 40)]
        elif way < 0.93:
            del content[max(at, len(content) // 2) :]
    return bytes(content)


def test_what_is_called_sound_is_sound_to_pillow() -> None:
    """A thousand damaged files: of those that pass, each decodes."""
    chance = random.Random(3)
    known = refused = 0
    for _ in range(30):
        for whole in JPEGS.values():
            content = broken(whole, chance)
            sound = decodes(content)
            refused += not sound
            if (size := plain_jpeg(content)) is not None:
                known += 1
                assert sound, content.hex()
                with Image.open(io.BytesIO(content)) as image:
                    assert image.size == size
    assert known > 100
    assert refused > 100


def resealed(whole: bytes, chance: random.Random) -> bytes:
    """A PNG with a byte or two of its chunks changed, and check sums that say it was meant."""
    content, at = whole[:8], 8
    while at < len(whole):
        size = int.from_bytes(whole[at : at + 4], "big")
        kind, body = whole[at + 4 : at + 8], bytearray(whole[at + 8 : at + 8 + size])
        if body and chance.random() < 0.4:
            body[chance.randrange(size)] = chance.randrange(256)
        if chance.random() < 0.1:
            body = body[: size // 2]
        if chance.random() > 0.05:
            content += chunk(kind, bytes(body))
        at += 12 + size
    return content


def test_a_png_that_is_called_sound_is_sound_to_pillow() -> None:
    chance = random.Random(4)
    known = 0
    for _ in range(100):
        for whole in PNGS.values():
            content = resealed(whole, chance)
            if plain_png(content) is not None:
                known += 1
                assert decodes(content), content.hex()
    assert known > 100
