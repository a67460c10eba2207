"""Mixup and cutmix: the inputs, the shares, and the loss against both targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.augmentation.mixing import OTHER_TARGET, SHARE, beta, loss
from core.tasks import task
from tests.augmentation.conftest import changed


@pytest.fixture(scope="module")
def classes():
    labels = [str(at) for at in range(10)]
    facts = {"column": "image", "target": "label", "labels": labels, "notes": []}
    size = {"height": 28, "width": 28, "mean": [0.1], "std": [0.3]}
    return task("image-classification").from_json({**facts, **size})


def shaped(share):
    return share.view(-1, 1, 1, 1)


def test_mixup_is_the_mean_of_neighbours_by_their_shares(digits) -> None:
    made = changed("mixup=1", digits)
    image = digits["image"].float()
    share = shaped(made[SHARE])
    assert torch.allclose(made["image"], share * image + (1 - share) * image.roll(1, 0), atol=1e-3)
    assert torch.equal(made[OTHER_TARGET], digits["target"].roll(1))
    assert torch.equal(made["target"], digits["target"])
    assert made[SHARE].unique().numel() > 50


def test_cutmix_lays_a_rectangle_of_the_share_that_it_counts(pictures) -> None:
    made = changed("cutmix", pictures)
    image = pictures["image"].float()
    other = image.roll(1, 0)
    theirs = made["image"] != image
    assert torch.equal(made["image"][theirs], other[theirs])
    for at in range(len(image)):
        # Pixels that are the same in both say nothing of where the rectangle is.
        ys, xs = torch.nonzero(theirs[at].any(0), as_tuple=True)
        if len(ys):
            box = image[at, :, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
            assert box[0].numel() <= round((1 - made[SHARE][at].item()) * 48 * 64)
    apart = changed("cutmix", {**pictures, "image": _numbered(pictures["image"])})
    own = (apart["image"] == _numbered(pictures["image"])).float().mean((1, 2, 3))
    assert torch.allclose(own, made[SHARE], atol=1e-5)
    assert made[SHARE].min() < 0.3 and made[SHARE].max() > 0.9


def _numbered(image):
    """Every picture of a colour of its own."""
    return torch.arange(len(image)).view(-1, 1, 1, 1).expand_as(image).float()


def test_where_both_are_on_each_example_is_mixed_in_one_way(digits) -> None:
    apart = {**digits, "image": _numbered(digits["image"])}
    both = changed("mixup=1,cutmix", apart)
    values = both["image"].flatten(1)
    blended = (values == values[:, :1]).all(1) & (values[:, 0] != apart["image"][:, 0, 0, 0])
    laid = ~(values == values[:, :1]).all(1)
    assert blended.sum() > 15 and laid.sum() > 15
    own = apart["image"][:, 0, 0, 0]
    expected = both[SHARE] * own + (1 - both[SHARE]) * own.roll(1)
    assert torch.allclose(values.mean(1), expected, atol=1e-3)
    none = changed("mixup=1:p=0,cutmix:p=0", digits)
    assert (none[SHARE] == 1).all()
    assert torch.equal(none["image"], digits["image"].float())


def test_the_loss_is_what_the_paper_says(classes, digits) -> None:
    made = changed("mixup=1", digits)
    outputs = torch.randn(len(digits["target"]), 10, generator=torch.Generator().manual_seed(0))
    soft = made[SHARE][:, None] * F.one_hot(digits["target"], 10) + (
        1 - made[SHARE][:, None]
    ) * F.one_hot(digits["target"].roll(1), 10)
    expected = -(soft * outputs.log_softmax(1)).sum(1).mean()
    assert loss(classes, outputs, made) == pytest.approx(expected.item(), rel=1e-5)
    assert torch.equal(loss(classes, outputs, digits), classes.loss(outputs, digits))


def test_weights_of_unknown_targets_do_not_count(classes) -> None:
    outputs = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    batch = {"target": torch.tensor([3, -1, 5, -1])}
    ones = torch.ones(4)
    plain = classes.loss(outputs, batch)
    assert classes.loss(outputs, batch, ones).item() == pytest.approx(plain.item(), rel=1e-6)
    assert classes.loss(outputs, batch, ones / 4).item() == pytest.approx(plain.item() / 4)


def test_for_a_number_the_gradient_is_that_of_the_mixed_number() -> None:
    codec = {"features": [], "target": "y", "mean": 0.0, "std": 1.0, "notes": []}
    numbers = task("tabular-regression").from_json(codec)
    share = torch.tensor([0.3, 0.9, 0.5])
    target = torch.tensor([1.0, -2.0, 0.5])
    batch = {"target": target, SHARE: share, OTHER_TARGET: target.roll(1)}
    outputs = nn.Parameter(torch.tensor([[0.2], [0.4], [-0.7]]))
    loss(numbers, outputs, batch).backward()
    found, outputs.grad = outputs.grad, None
    mixed = share * target + (1 - share) * target.roll(1)
    F.mse_loss(outputs[:, 0], mixed).backward()
    assert torch.allclose(found, outputs.grad)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0, 10.0])
def test_shares_are_of_the_beta_distribution(alpha) -> None:
    found = beta((torch.arange(100_000) + 0.5) / 100_000, alpha).double()
    assert (found.diff() >= 0).all()
    assert found.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert found.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.01)
    drawn = np.sort(np.random.default_rng(0).beta(alpha, alpha, 100_000))
    assert np.abs(drawn - found.numpy()).mean() < 0.003


def test_sounds_are_mixed_too(sounds) -> None:
    made = changed("mixup=1", sounds)
    share = made[SHARE][:, None]
    other = sounds["audio"].roll(1, 0)
    assert torch.allclose(made["audio"], share * sounds["audio"] + (1 - share) * other, atol=1e-6)
    length = sounds["audio_length"]
    assert torch.equal(made["audio_length"], torch.maximum(length, length.roll(1)))
