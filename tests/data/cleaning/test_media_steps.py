"""What the steps on images and sounds make of them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from core.data.cleaning.apply import clean
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.steps.audio import decode
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import UsageError
from tests.data.sources.media import encoded, picture, png_head, samples, wav


def after(
    lake: Lake, medium: str, cells: list[bytes | None], *steps: dict[str, Any]
) -> tuple[list[bytes | None], Version]:
    rows = pa.table({"m": pa.array(cells, pa.binary()), "n": list(range(len(cells)))})
    base = lake.commit("media", rows, op="import", media={"m": medium})
    made = clean(lake, base, Recipe.of(list(steps)))
    assert made.column("m").media == medium, "it is a picture or a sound as before"
    with lake.open(made) as view:
        return [cell for (cell,) in view.sql("SELECT m FROM rows ORDER BY _rid")], made


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def turned() -> bytes:
    """8 wide and 6 high as it lies, 6 wide and 8 high as it is to be seen; red where it is up."""
    image = Image.new("RGB", (8, 6), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 4, 6))
    held, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    image.save(held, "JPEG", exif=exif, quality=95)
    return held.getvalue()


@pytest.mark.parametrize("fit", ["stretch", "cover", "contain"])
def test_images_get_another_size(lake: Lake, fit: str) -> None:
    cells = [picture(3), picture(5, "JPEG", (80, 40)), None, b"no image", picture(7, size=(32, 32))]
    step = {"do": "resize-images", "width": 32, "fit": fit}
    (first, second, none, broken, same), made = after(lake, "image", cells, step)
    assert [opened(each).size for each in (first, second)] == [(32, 32), (32, 32)]
    assert [opened(each).format for each in (first, second)] == ["PNG", "JPEG"]
    assert (none, broken, same) == (None, b"no image", cells[4])
    assert made.params["steps"][0]["did"] == {"cells changed": 2, "unreadable": 1}
    corner = opened(second).convert("RGB").getpixel((0, 0))
    assert (sum(corner) < 40) == (fit == "contain"), "black around, if anything"


def test_an_image_that_lies_on_its_side_is_turned(lake: Lake) -> None:
    (made,), _ = after(lake, "image", [turned()], {"do": "resize-images", "width": 6, "height": 8})
    image = opened(made).convert("RGB")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(turned()))).convert("RGB")
    assert image.size == upright.size == (6, 8)
    assert image.getpixel((3, 1))[0] > 200 > 100 > image.getpixel((3, 6))[0]
    assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("colours", "mode"), [("keep", "RGBA"), ("rgb", "RGB"), ("grey", "L")])
def test_images_are_written_in_one_format(lake: Lake, format: str, colours: str, mode: str) -> None:
    held = io.BytesIO()
    Image.new("RGBA", (8, 6), (200, 10, 10, 128)).save(held, "PNG")
    step = {"do": "recode-images", "format": format, "colours": colours}
    (made, broken), version = after(
        lake, "image", [held.getvalue(), png_head(30_000, 30_000)], step
    )
    image = opened(made)
    assert (image.format, image.size) == (format.upper(), (8, 6))
    # JPEG knows no transparency, and WebP opens grey as colour.
    wanted = {("jpeg", "RGBA"): "RGB", ("webp", "L"): "RGB"}.get((format, mode), mode)
    assert image.mode == wanted
    red, green, *_ = image.convert("RGB").getpixel((4, 3))
    assert (red - green < 10) == (colours == "grey")
    assert broken == png_head(30_000, 30_000), "nobody decodes 900 megapixels"
    assert version.params["steps"][0]["did"]["unreadable"] == 1


def test_sounds_get_another_rate(lake: Lake) -> None:
    cells = [wav(8000, 8000, 2), encoded("FLAC", 44100, 44100), None, b"no sound", wav(16, 16000)]
    step = {"do": "resample-audio", "rate": 16000, "mono": True}
    (first, second, none, broken, same), made = after(lake, "audio", cells, step)
    assert (none, broken, same) == (None, b"no sound", cells[4])
    assert made.params["steps"][0]["did"] == {"cells changed": 2, "unreadable": 1}
    for cell, rate in ((first, 8000), (second, 44100)):
        assert cell is not None
        found, now = decode(cell)
        assert (now, found.shape) == (16000, (16000, 1)), "one second, one channel"
        before = samples(rate, rate=rate)[:, 0]
        wanted = np.interp(np.arange(16000) / 16000, np.arange(rate) / rate, before)
        # Away from the ends, where the filter has half of its neighbours.
        assert np.abs(found[500:-500, 0] - wanted[500:-500]).max() < 0.02


def test_nothing_that_the_lower_rate_cannot_hold_is_folded_back(lake: Lake) -> None:
    from core.data.cleaning.steps.audio import encode

    high = encode(samples(48_000, pitch=15_000, rate=48_000), 48_000)
    (made,), _ = after(lake, "audio", [high], {"do": "resample-audio", "rate": 16000})
    assert made is not None
    found, _ = decode(made)
    assert np.abs(found[100:-100]).max() < 0.01


@pytest.mark.parametrize(
    ("medium", "step", "words"),
    [
        ("image", {"do": "resize-images", "width": 0}, "1 to 16,384 pixels"),
        ("image", {"do": "recode-images", "quality": 0}, "1 to 100"),
        ("image", {"do": "resize-images", "width": 4, "columns": ["n"]}, "holds no images"),
        ("image", {"do": "resample-audio", "rate": 8000}, "no column of sound"),
        ("audio", {"do": "resample-audio", "rate": 10}, "1,000 to 768,000"),
    ],
)
def test_a_medium_that_is_not_there(
    lake: Lake, medium: str, step: dict[str, Any], words: str
) -> None:
    cells = [picture()] if medium == "image" else [wav(10)]
    with pytest.raises(UsageError, match=words):
        after(lake, medium, cells, step)  # type: ignore[arg-type]
