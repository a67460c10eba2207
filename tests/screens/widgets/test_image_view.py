"""Pictures in cells, from pixels and from bytes of any kind."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow
from textual.pilot import Pilot

from screens.half_blocks import UPPER_HALF, decode, half_blocks, shades
from screens.widgets import image_view
from screens.widgets.image_view import ImageView
from tests.screens.widgets.stage import done, lines, stage, style_at

QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
NO_IMAGE = "these bytes are not an image that can be read"


def encoded(image: Pillow.Image, format: str = "PNG") -> bytes:
    held = io.BytesIO()
    image.save(held, format)
    return held.getvalue()


def claims(width: int, height: int) -> bytes:
    """The bytes of a PNG that says it has so many pixels, and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def view(pilot: Pilot[None]) -> ImageView:
    return pilot.app.query_one(ImageView)


def colours(pilot: Pilot[None], x: int, y: int) -> tuple[object, object]:
    style = style_at(pilot, x, y)
    assert style.color
    assert style.bgcolor
    return tuple(style.color.triplet), tuple(style.bgcolor.triplet)


async def test_a_cell_shows_the_pixel_above_and_the_one_below() -> None:
    async with stage(lambda: ImageView(QUARTERS), (2, 1)) as pilot:
        assert lines(pilot) == [UPPER_HALF * 2]
        assert colours(pilot, 0, 0) == ((255, 0, 0), (0, 0, 255))
        assert colours(pilot, 1, 0) == ((0, 255, 0), (255, 255, 255))


async def test_a_small_picture_grows_in_whole_squares_and_with_the_terminal() -> None:
    async with stage(lambda: ImageView(QUARTERS), (5, 2)) as pilot:
        assert lines(pilot) == [UPPER_HALF * 4] * 2
        assert colours(pilot, 1, 0) == ((255, 0, 0), (255, 0, 0))
        assert colours(pilot, 2, 1) == ((255, 255, 255), (255, 255, 255))
        await pilot.resize_terminal(2, 1)
        await pilot.pause()
        assert lines(pilot) == [UPPER_HALF * 2]
        assert colours(pilot, 1, 0) == ((0, 255, 0), (255, 255, 255))


async def test_bytes_are_decoded_in_a_thread_and_the_last_picture_asked_for_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    red, blue = (encoded(Pillow.new("RGB", (2, 2), name)) for name in ("red", "blue"))
    first, late = threading.Event(), threading.Event()
    threads = set()

    def slow(data: bytes) -> object:
        threads.add(threading.current_thread())
        if data == red:
            assert first.wait(30)
            late.set()
        return decode(data)

    monkeypatch.setattr(image_view, "decode", slow)
    async with stage(lambda: ImageView(None), (2, 1)) as pilot:
        view(pilot).show(red)
        await pilot.pause()
        assert lines(pilot) == [""]
        view(pilot).show(blue)
        await done(pilot)
        first.set()
        while not late.is_set():
            await pilot.pause()
        await done(pilot)
        assert colours(pilot, 0, 0)[0] == (0, 0, 255)
        assert threading.main_thread() not in threads
        view(pilot).show(None)
        await done(pilot)
        assert lines(pilot) == [""]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", NO_IMAGE),
        (b"\x1b[31mnot an image", NO_IMAGE),
        (encoded(Pillow.new("RGB", (64, 64), "red"))[:80], NO_IMAGE),
        (claims(10_000, 9_000), "10000 x 9000 pixels are too many to show"),
        (claims(40_000, 40_000), "these are too many pixels to show"),
    ],
    ids=["empty", "text", "torn", "large", "bomb"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
async def test_what_is_no_picture_says_so(data: bytes, said: str) -> None:
    async with stage(lambda: ImageView(data), (60, 5)) as pilot:
        assert lines(pilot) == [said]


async def test_pixels_that_are_no_picture_say_so() -> None:
    async with stage(lambda: ImageView(np.zeros((2, 2, 4), np.uint8)), (80, 5)) as pilot:
        assert lines(pilot)[0].endswith("this is uint8 [2, 2, 4]")


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (200, 3)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (33, 7, 3)])
def test_any_size(size: tuple[int, int], shape: tuple[int, ...]) -> None:
    rows = half_blocks(np.full(shape, 200, np.uint8), *size)
    assert 1 <= len(rows) <= size[1]
    assert all(1 <= len(row) <= size[0] for row in rows)


def test_no_room_is_no_picture() -> None:
    assert half_blocks(QUARTERS, 0, 5) == half_blocks(QUARTERS, 5, 0) == []


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "linux")], ids=["no colour", "16 colours"]
)
async def test_brightness_where_there_are_no_colours_for_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv(name, value)
    pixels = np.array([[0, 110, 255], [0, 110, 255]], np.uint8)
    async with stage(lambda: ImageView(pixels), (3, 1)) as pilot:
        assert lines(pilot) == [" =@"]


def test_shades_go_from_dark_to_light() -> None:
    assert shades(np.linspace(0, 255, 10).astype(np.uint8)[None], 10, 1) == [" .:-=+*#%@"]


@pytest.mark.parametrize(
    ("image", "format", "pixels"),
    [
        (Pillow.fromarray(np.array([[0, 1000, 2000]], np.uint16)), "PNG", [0, 127, 255]),
        (Pillow.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF", [0, 127, 255]),
        (Pillow.fromarray(np.array([[7, 7, 7]], np.uint16)), "PNG", [0, 0, 0]),
        (Pillow.fromarray(np.array([[0, 9, 255]], np.uint8)), "PNG", [0, 9, 255]),
        (Pillow.new("LA", (1, 1), (255, 0)), "PNG", [[0, 0, 0]]),
        (Pillow.new("RGBA", (1, 1), (200, 100, 50, 255)), "PNG", [[200, 100, 50]]),
    ],
    ids=["16 bit", "floats", "16 bit, even", "8 bit", "see-through", "opaque"],
)
def test_brightness_of_every_depth(image: Pillow.Image, format: str, pixels: list[object]) -> None:
    assert decode(encoded(image, format))[0].tolist() == pixels


def test_a_large_picture_is_made_small_with_its_aspect() -> None:
    assert decode(encoded(Pillow.new("RGB", (2000, 1000), "red"))).shape == (256, 512, 3)


def test_a_photo_stands_upright() -> None:
    image = Pillow.new("RGB", (2, 1), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    held = io.BytesIO()
    image.save(held, "JPEG", exif=exif)
    assert decode(held.getvalue()).shape == (2, 1, 3)
