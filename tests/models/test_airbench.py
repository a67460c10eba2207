"""The network of airbench94: its first layer, what of it is trained, and views of a picture."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.models.architectures import build

DIGITS = Path(__file__).parents[2] / "sample_data" / "images" / "mnist5k"
SHAPE = {"kind": "image", "channels": 3, "height": 28, "width": 28, "outputs": 10}


@pytest.fixture(scope="module")
def pictures():
    """Digits in three colours that go together, as those of photographs do."""
    content = gzip.decompress((DIGITS / "train-images-idx3-ubyte.gz").read_bytes())
    pixels = np.frombuffer(content, np.uint8, 600 * 28 * 28, 16).reshape(600, 1, 28, 28)
    grey = torch.from_numpy(pixels.copy()).float() / 128 - 0.3
    noise = torch.randn(600, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    return torch.cat((grey, 0.5 * grey, -grey), 1) + 0.2 * noise


def built(seed=0, **options):
    torch.manual_seed(seed)
    return build("airbench", SHAPE, {"width": 8, **options})


def test_the_first_layer_whitens_the_patches_it_was_shown(pictures):
    model = built()
    before = torch.get_rng_state()
    model.look(pictures)
    assert torch.equal(torch.get_rng_state(), before)
    seen = F.conv2d(pictures, model.whiten.weight)
    half = seen.shape[1] // 2
    assert torch.allclose(seen[:, :half], -seen[:, half:], atol=1e-5)
    each = seen[:, :half].transpose(0, 1).flatten(1)
    together = each @ each.T / each.shape[1]
    assert torch.allclose(together, torch.eye(half), atol=0.05)
    # Drawn by a seed it does nothing of the kind, and another seed changes nothing of it.
    other = F.conv2d(pictures, built().whiten.weight)[:, :half].transpose(0, 1).flatten(1)
    assert not torch.allclose(other @ other.T / other.shape[1], torch.eye(half), atol=0.3)
    again = built(seed=1)
    again.look(pictures)
    assert torch.equal(again.whiten.weight, model.whiten.weight)
    assert again.whiten.weight.is_contiguous(memory_format=torch.channels_last)


def test_pictures_of_one_colour_are_whitened_into_finite_numbers():
    model = built()
    model.look(torch.full((20, 3, 28, 28), 0.5))
    assert model.whiten.weight.isfinite().all()
    assert model.whiten.weight.abs().max() < 100


def test_what_whitens_and_the_scales_of_normalisation_are_not_trained():
    still = {name for name, each in built().named_parameters() if not each.requires_grad}
    assert still == {
        "whiten.weight",
        *(f"blocks.{at}.norm{norm}.weight" for at in range(3) for norm in (1, 2)),
    }


def test_a_convolution_begins_as_the_identity(pictures):
    wide = built().blocks[2]
    x = torch.randn(2, 32, 7, 7)
    assert torch.allclose(wide.conv2(x), x)


@pytest.mark.parametrize("views", ["mirror", "moved"])
def test_an_answer_is_the_mean_of_its_views(pictures, views):
    some = pictures[:4]
    plain, model = built().eval(), built(views=views)
    model.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        one, both = plain(some), (plain(some) + plain(some.flip(3))) / 2
        said = model.eval()(some)
        assert torch.allclose(said, model(some.flip(3)), atol=1e-5)
        if views == "mirror":
            assert torch.allclose(said, both, atol=1e-5)
        else:
            larger = F.pad(some, (1, 1, 1, 1), "reflect")
            moved = [larger[:, :, at : at + 28, at : at + 28] for at in (0, 2)]
            sides = [(plain(each) + plain(each.flip(3))) / 2 for each in moved]
            assert torch.allclose(said, both / 2 + sum(sides) / 4, atol=1e-5)
    assert not torch.allclose(said, one, atol=1e-3)
    # A training sees each picture once, as it is.
    with torch.inference_mode():
        assert torch.equal(plain.train()(some), model.train()(some))
