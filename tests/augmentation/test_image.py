"""Augmentations of images, on digits and clip art."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from core.augmentation.chance import Chance
from core.augmentation.image import Crop, Rotate, Translate, Warp
from core.data.lake.layout import ROW_ID
from tests.augmentation.conftest import changed


def images(words, batch, **when):
    return changed(words, batch, **when)["image"]


def is_same(made, image):
    return (made.float() == image.float()).flatten(1).all(1)


@pytest.mark.parametrize(("axis", "dims"), [("horizontal", [3]), ("vertical", [2])])
def test_a_flip_is_exact_and_half_are_flipped(pictures, axis, dims) -> None:
    image = pictures["image"]
    made = images(f"flip={axis}", pictures)
    flipped, same = is_same(made, image.flip(dims)), is_same(made, image)
    assert made.dtype == torch.uint8
    assert (flipped | same).all()
    assert 0.25 < flipped.float().mean() < 0.75
    assert is_same(images(f"flip={axis}:p=1", pictures), image.flip(dims)).all()
    assert is_same(images(f"flip={axis}:p=0", pictures), image).all()


def test_both_axes_are_thrown_for_by_themselves(pictures) -> None:
    image = pictures["image"]
    made = images("flip=both", pictures)
    ways = [is_same(made, image.flip(dims)) for dims in ([], [2], [3], [2, 3])]
    assert torch.stack(ways).any(0).all()
    assert all(way.float().mean() > 0.08 for way in ways)


def test_alternating_each_picture_shows_its_other_side_in_the_next_epoch(pictures) -> None:
    image = pictures["image"]
    made = [images("flip:turns=alternating", pictures, epoch=epoch) for epoch in range(4)]
    first = is_same(made[0], image.flip(3))
    assert 0.25 < first.float().mean() < 0.75
    assert torch.equal(made[1], made[0].flip(3))
    assert torch.equal(made[2], made[0]) and torch.equal(made[3], made[1])
    assert not torch.equal(images("flip", pictures, epoch=2), images("flip", pictures))


def test_a_picture_is_moved_by_whole_pixels_to_all_sides_alike(pictures) -> None:
    image = pictures["image"].float()
    made = images("translate=0.0625", pictures)  # of 48 x 64: by up to 3 and 4
    larger = F.pad(image, (4, 4, 3, 3), "replicate")
    places = [(down, right) for down in range(7) for right in range(9)]
    cut = torch.stack([larger[:, :, top : top + 48, left : left + 64] for top, left in places], 1)
    near = (cut - made[:, None]).abs().amax((2, 3, 4))
    assert near.amin(1).max() < 0.05, "it is one of the places, and nothing is blurred"
    assert len(near.argmin(1).unique()) > len(image) / 3

    maps = Translate(0.0625).map(Chance(0, 0, torch.arange(7000)), 48, 64)
    for side, shift, most in ((64, maps[:, 0, 2], 4), (48, maps[:, 1, 2], 3)):
        pixels = shift * side / 2
        assert torch.allclose(pixels, pixels.round(), atol=1e-4)
        counts = torch.bincount(pixels.round().long() + most)
        assert len(counts) == 2 * most + 1
        assert counts.min() > 0.8 * 7000 / len(counts)


@pytest.mark.parametrize(
    "words",
    ["rotate=0", "translate=0", "translate:p=0", "crop=1:ratio=1", "rotate=90:p=0,crop=0.1:p=0"],
)
def test_a_map_that_does_nothing_leaves_all_as_it_is(pictures, words) -> None:
    made = images(words, pictures)
    assert torch.allclose(made, pictures["image"].float(), atol=1e-2)


def test_a_quarter_turn_is_a_quarter_turn(digits) -> None:
    chance = Chance(0, 0, digits[ROW_ID])
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).expand(len(digits["image"]), 3, 3)

    class Quarter(Rotate):
        def map(self, chance, height, width):
            return quarter

    made = Warp((Quarter(),)).apply(digits, chance)["image"]
    assert torch.allclose(made, digits["image"].rot90(1, (2, 3)).float(), atol=1e-2)


def test_a_turn_keeps_the_shape_of_what_is_turned(pictures) -> None:
    """In a picture that is wider than high, a circle stays a circle."""
    y, x = torch.meshgrid(torch.arange(48) - 23.5, torch.arange(64) - 31.5, indexing="ij")
    disc = ((x**2 + y**2 < 20**2) * 255.0)[None, None].repeat(32, 1, 1, 1)
    made = images("rotate=180", {"image": disc, ROW_ID: torch.arange(32)})
    inside, outside = x**2 + y**2 < 18**2, x**2 + y**2 > 22**2
    assert (made[:, 0, inside] > 250).all()
    assert (made[:, 0, outside] < 5).all()


def test_turns_go_to_both_sides_and_no_further(digits) -> None:
    rows = torch.arange(2000)
    maps = Rotate(30.0).map(Chance(0, 0, rows), 28, 28)
    degrees = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert degrees.min() < -28 and degrees.max() > 28
    assert degrees.abs().max() <= 30


def test_a_crop_keeps_the_size_and_shows_a_part(pictures) -> None:
    image = pictures["image"].float()
    made = images("crop=0.3", pictures)
    assert made.shape == image.shape
    assert made.amin() >= image.amin() and made.amax() <= image.amax() + 1e-3
    assert not torch.isclose(made, image).flatten(1).all(1).any()
    maps = Crop(0.3, 1.5).map(Chance(0, 0, torch.arange(5000)), 48, 64)
    across, down = maps[:, 0, 0], maps[:, 1, 1]
    kept = across * down
    assert kept.min() > 0.25 and kept.max() <= 1
    assert 0.6 < kept.mean() < 0.7
    # Never over the edge, and up to it on all sides.
    for side, shift in ((across, maps[:, 0, 2]), (down, maps[:, 1, 2])):
        assert (side + shift.abs()).max() <= 1 + 1e-6
        assert (shift > 0.3).any() and (shift < -0.3).any()


def test_maps_side_by_side_are_one_map(pictures) -> None:
    """Crop and rotate in one sampling show what one after the other shows, but sharper."""
    together = images("crop,rotate=40", pictures)
    one_by_one = images("rotate=40", {**pictures, "image": images("crop", pictures)})
    inner = (..., slice(12, 36), slice(16, 48))
    assert (together[inner] - one_by_one[inner]).abs().mean() < 8
    other = images("crop", {**pictures, "image": images("rotate=40", pictures)})
    alone = (other[inner] - one_by_one[inner]).abs().mean()
    assert alone > 12


def test_colour_changes_what_it_says(pictures) -> None:
    image = pictures["image"].float()
    made = images("colour=0.3", pictures)
    assert made.amin() >= 0 and made.amax() <= 255
    assert not is_same(made, image).any()
    assert torch.allclose(images("colour=0:hue=0", pictures), image, atol=1e-2)
    assert torch.allclose(images("colour:p=0", pictures), image, atol=1e-2)


def test_grey_stays_grey_and_hues_keep_the_brightness(pictures) -> None:
    grey = pictures["image"].float().mean(1, keepdim=True)
    three = {**pictures, "image": grey.expand(-1, 3, -1, -1)}
    made = images("colour=0.5:hue=0.5", three)
    assert torch.allclose(made, made.mean(1, keepdim=True).expand_as(made), atol=1e-2)
    # With one channel the grey is changed as with three that are the same.
    one = images("colour=0.5:hue=0.5", {**pictures, "image": grey})
    assert torch.allclose(one, made[:, :1], atol=1e-2)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    middle = {**pictures, "image": pictures["image"].float() / 4 + 96}
    turned = images("colour=0:hue=0.1", middle)
    assert not torch.allclose(turned, middle["image"], atol=1)
    was, now = ((each * luma).sum(1) for each in (middle["image"], turned))
    assert torch.allclose(was, now, atol=0.05)


def test_erase_covers_rectangles_of_the_mean(pictures) -> None:
    image = pictures["image"].float()
    made = images("erase=0.4:p=1", pictures)
    mean = image.mean((2, 3), keepdim=True)
    covered = (made != image).any(1)
    assert torch.equal(
        made.where(covered[:, None], mean.expand_as(made)),
        mean.where(covered[:, None], mean.expand_as(made)).expand_as(made),
    )
    area = torch.isclose(made, mean).all(1).float().mean((1, 2))
    assert area.max() < 0.45 and area.mean() > 0.1
    left = is_same(images("erase=0.4:p=0.5", pictures), image).float().mean()
    assert 0.25 < left < 0.75
    assert is_same(images("erase=0.0:p=1", pictures), image).all()


def test_the_tensors_given_are_left_as_they_are(pictures) -> None:
    before = pictures["image"].clone()
    images("flip=both,crop,rotate,colour,erase,mixup,cutmix", pictures)
    assert torch.equal(pictures["image"], before)
    floats = before.float()
    images("flip=both,colour,erase,mixup,cutmix", {**pictures, "image": floats})
    assert torch.equal(floats, before.float())
