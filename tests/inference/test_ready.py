"""Models made ready to answer say what they said before."""

import copy

import pytest
import torch
from torch import nn

from core.inference.ready import fold
from core.models.architectures import build


def looked_at(module: nn.Module) -> nn.Module:
    """A module whose normalisations have seen pictures, and are not what they were made as."""
    torch.manual_seed(0)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.uniform_(each.weight, -1, 1)
            nn.init.uniform_(each.bias, -1, 1)
            nn.init.uniform_(each.running_mean, -1, 1)
            nn.init.uniform_(each.running_var, 0.5, 2)
    return module.eval()


@pytest.mark.parametrize(
    ("name", "options", "left"),
    [
        ("cnn", {"width": 8}, 0),
        ("resnet18", {}, 0),
        # Between its convolution and its normalisation it takes the greatest of four.
        ("airbench", {"width": 8}, 6),
    ],
)
def test_folded_models_answer_the_same(name: str, options: dict[str, int], left: int) -> None:
    shape = {"kind": "image", "channels": 3, "height": 32, "width": 32, "outputs": 5}
    module = looked_at(build(name, shape, options))
    folded = copy.deepcopy(module)
    fold(folded)
    assert sum(isinstance(each, nn.BatchNorm2d) for each in folded.modules()) == left
    image = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        told, said = module(image), folded(image)
    assert told.std() > 0.01
    torch.testing.assert_close(said, told, rtol=1e-3, atol=1e-4)


def test_what_only_stands_beside_a_convolution_is_left_alone() -> None:
    norm = nn.BatchNorm2d(4)
    module = looked_at(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), norm))
    fold(module)
    assert module[2] is norm
