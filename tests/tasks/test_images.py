"""Images: decoding, size, channels and brightness."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import LeptonError, UsageError
from core.tasks import facts, guess, pixels, task
from core.tasks.pixels import MOST_PIXELS, Survey, decode, own_size
from tests.tasks.conftest import encoded


def file(array, kind="PNG", mode=None, **options):
    out = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8), mode).save(out, kind, **options)
    return out.getvalue()


def plain(value, height=8, width=8):
    return file(np.full((height, width), value))


def learn(view, split="train", **options):
    fit = guess(facts(view))
    return task(fit.task).learn(fit, view, split, options)


@pytest.fixture
def pictures(opened):
    def make(images, labels=None, **columns):
        labels = labels or ["a", "b"] * len(images)
        table = {"image": images, "label": labels[: len(images)], **columns}
        return opened(table, media={"image": "image"})

    return make


def test_grey_images_of_one_size_stay_as_they_are(pictures):
    random = np.random.default_rng(0)
    arrays = random.integers(0, 256, (4, 12, 10), np.uint8)
    view = pictures([file(array) for array in arrays])
    learned = learn(view)
    assert learned.shape == {
        "kind": "image", "channels": 1, "height": 12, "width": 10, "outputs": 2
    }  # fmt: skip
    found = encoded(learned, view)
    assert found["image"].dtype == np.uint8
    assert np.array_equal(found["image"][:, 0], arrays)
    assert learned.mean == pytest.approx([arrays.mean() / 255])
    assert learned.std == pytest.approx([(arrays / 255).std()])


def test_the_model_sees_normalised_floats(pictures):
    random = np.random.default_rng(0)
    arrays = random.integers(0, 256, (6, 9, 9, 3), np.uint8)
    view = pictures([file(array) for array in arrays])
    learned = learn(view)
    image = torch.from_numpy(encoded(learned, view)["image"])
    (seen,) = learned.inputs({"image": image})
    assert seen.dtype == torch.float32
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert seen.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert image.dtype == torch.uint8


def test_one_colour_image_makes_all_of_them_rgb(pictures):
    view = pictures([plain(10), file(np.full((8, 8, 3), (1, 2, 3)))])
    learned = learn(view)
    assert learned.shape["channels"] == 3
    image = encoded(learned, view)["image"]
    assert image[0, :, 0, 0].tolist() == [10, 10, 10]
    assert image[1, :, 0, 0].tolist() == [1, 2, 3]


def test_images_of_other_sizes_are_stretched_to_the_median(pictures):
    sizes = [(16, 30), (17, 33), (40, 80)]
    view = pictures([plain(50, *size) for size in sizes])
    learned = learn(view)
    assert learned.size == (16, 32)
    assert learned.notes == ("images differ in size and are stretched to 32 x 16",)
    assert (encoded(learned, view)["image"] == 50).all()
    assert learn(view, image_size=24).size == (24, 24)
    with pytest.raises(UsageError, match="image_size=4 cannot be"):
        learn(view, image_size=4)


def test_size_is_kept_between_8_and_the_most():
    def size(*sizes):
        survey = Survey()
        survey.sizes.update(sizes)
        return survey.size(224)

    assert size((480, 640)) == (168, 224)
    assert size((1000, 1000), (2000, 2000)) == (224, 224)
    assert size((4, 6)) == (8, 8)
    assert size((28, 28)) == (28, 28)


def test_only_the_training_split_is_learned_from(pictures):
    view = pictures(
        [plain(0), plain(100), file(np.full((64, 64, 3), (255, 0, 0)))],
        ["a", "b", "VENOM"],
        split=["train", "train", "test"],
    )
    learned = learn(view)
    assert learned.shape["channels"] == 1
    assert learned.size == (8, 8)
    assert learned.mean == pytest.approx([50 / 255])
    assert learned.labels == ("a", "b")
    assert encoded(learned, view, "test")["image"].shape == (1, 1, 8, 8)


def test_transparent_parts_are_white_in_every_mode():
    clear = np.zeros((8, 8, 4))
    clear[:4] = (200, 100, 50, 255)
    rgb = decode(file(clear), 3)
    assert rgb[:, 0, 0].tolist() == [200, 100, 50]
    assert rgb[:, 7, 7].tolist() == [255, 255, 255]
    grey = np.zeros((8, 8, 2))
    assert (decode(file(grey), 1) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30] * 256)
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=0)
    assert (decode(out.getvalue(), 3) == 255).all()


def test_16_bit_grey_keeps_its_range():
    out = io.BytesIO()
    Image.fromarray(np.array([[0, 257, 65535]] * 3, np.uint16)).save(out, "PNG")
    assert decode(out.getvalue(), 1)[0, 0].tolist() == [0, 1, 255]
    survey = Survey()
    assert list(survey.add([out.getvalue()])) == []
    assert survey.grey


def test_the_size_is_told_by_the_head_alone():
    for kind in ("PNG", "JPEG", "BMP"):
        assert own_size(file(np.full((11, 23), 7), kind)) == (11, 23)
    head = plain(7, 11, 23)[:24]
    assert own_size(head) == (11, 23)
    for height, width in ((MOST_PIXELS, 2), (0, 5)):
        odd = head[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + plain(7)[24:]
        with pytest.raises(ValueError, match=r"pixels, more than|not an image"):
            own_size(odd)
    with pytest.raises(ValueError, match="not an image"):
        own_size(head[:20])


def test_a_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.zeros((16, 32))
    lying[:, :16] = 255
    photo = file(lying, "JPEG", exif=exif.tobytes(), quality=100)
    survey = Survey()
    assert list(survey.add([photo])) == []
    assert set(survey.sizes) == {(32, 16)}
    upright = decode(photo, 1, (32, 16))[0]
    assert upright[:14].min() > 200
    assert upright[18:].max() < 50


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no image at all", "not an image in a known format"),
        (b"", "not an image in a known format"),
        (plain(3)[:-30], "damaged image"),
        (None, "there is none"),
    ],
)
def test_an_image_that_does_not_decode_is_named(pictures, content, words):
    view = pictures(
        [plain(1), plain(2), content], ["a", "b", "a"], path=["x.png", "y.png", "z.png"]
    )
    with pytest.raises(LeptonError, match=words) as caught:
        learn(view)
    assert caught.value.where == "column image, z.png"
    assert caught.value.hint
    learned = learn(pictures([plain(1), plain(2)]))
    asked = [{"image": plain(1)}, {"image": content, "path": "z.png"}]
    with pytest.raises(LeptonError, match=words) as caught:
        learned.encode(asked, target=False)
    assert caught.value.where == "column image, z.png"


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(pixels, "MOST_PIXELS", 63)
    with pytest.raises(ValueError, match="8 x 8 pixels"):
        decode(plain(1), 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="too many pixels"):
        decode(plain(1), 1)


def test_a_broken_image_without_a_label_does_no_harm(pictures):
    view = pictures([plain(1), plain(2), b"broken"], ["a", "b", None])
    learned = learn(view)
    assert learned.notes == ("1 row has no label and will be left out",)
    assert len(encoded(learned, view)["image"]) == 2


def test_an_empty_label_is_a_class_like_any_other(pictures):
    view = pictures([plain(0), plain(200)], ["", "b"])
    learned = learn(view)
    assert learned.labels == ("", "b")
    assert learned.mean == pytest.approx([100 / 255])
    assert encoded(learned, view)["target"].tolist() == [0, 1]


def test_a_path_or_bytes_are_a_row(pictures, tmp_path):
    learned = learn(pictures([plain(1), plain(2)]))
    path = tmp_path / "seven.png"
    path.write_bytes(plain(7))
    for given in (path, str(path), plain(7), {"image": str(path)}, {"image": plain(7)}):
        arrays = learned.encode([learned.row(given)], target=False)
        assert (arrays["image"] == 7).all()
    with pytest.raises(UsageError, match="No such file") as caught:
        learned.row(tmp_path / "none.png")
    assert caught.value.where.endswith("none.png")


@pytest.mark.parametrize("source", ["images/mnist5k", "images/clipart"])
def test_a_codec_read_back_encodes_the_same(samples, source):
    lake, version = samples
    with lake.open(version(source)) as view:
        learned = learn(view, split=None)
        back = type(learned).from_json(json.loads(json.dumps(learned.to_json())))
        batch = next(view.batches(["image", "label"], rows=64))
    assert back.to_json() == learned.to_json()
    first, again = learned.encode(batch, target=True), back.encode(batch, target=True)
    assert all(np.array_equal(array, again[name]) for name, array in first.items())
    seen = [each.inputs({"image": torch.from_numpy(first["image"])})[0] for each in (learned, back)]
    assert torch.equal(*seen)
