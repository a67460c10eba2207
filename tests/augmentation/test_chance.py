"""The random numbers: even, unrelated, and a function of seed, epoch, row and place alone."""

from __future__ import annotations

import torch

from core.augmentation.chance import Chance


def numbers(rows, count, name="x", seed=0, epoch=0):
    return Chance(seed, epoch, torch.as_tensor(rows)).uniform(name, count)


def test_they_follow_from_the_row_alone() -> None:
    rows = torch.arange(1000)
    whole = numbers(rows, 20)
    assert torch.equal(numbers(rows[300:310].flip(0), 7), whole[300:310, :7].flip(0))
    far = numbers([5, 5 + 2**32, 5 + 2**33], 4)
    assert len(far.unique()) == 12
    assert torch.equal(far[0], whole[5, :4])


def test_seed_epoch_and_name_have_others() -> None:
    rows = torch.arange(50)
    base = numbers(rows, 4)
    for other in (
        numbers(rows, 4, seed=1),
        numbers(rows, 4, epoch=1),
        numbers(rows, 4, name="y"),
        numbers(rows, 4, seed=2**31 - 1, epoch=10**6),
    ):
        assert not torch.isclose(base, other, atol=1e-4).any()


def test_they_are_even_and_unrelated() -> None:
    found = numbers(torch.arange(20_000), 16).double()
    assert found.min() > 0 and found.max() < 1
    counts = torch.histc(found, 64, 0, 1)
    expected = found.numel() / 64
    # Chi squared of 63 degrees: above 120 once in 10,000 generators.
    assert ((counts - expected) ** 2 / expected).sum() < 120
    columns = found - 0.5
    related = (columns.T @ columns / len(columns) * 12).fill_diagonal_(0)
    assert related.abs().max() < 0.04
    beside = (columns[1:] * columns[:-1]).mean(0) * 12
    assert beside.abs().max() < 0.04


def test_normal_numbers_are_normal() -> None:
    found = Chance(3, 1, torch.arange(2000)).normal("x", 100).double()
    assert found.isfinite().all()
    assert abs(found.mean()) < 0.01
    assert abs(found.std() - 1) < 0.01
    assert abs((found.abs() < 1.96).double().mean() - 0.95) < 0.003
