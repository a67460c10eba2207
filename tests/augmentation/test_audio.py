"""Augmentations of sounds, on spoken digits padded to the longest."""

from __future__ import annotations

import pytest
import torch

from core.data.lake.layout import ROW_ID
from tests.augmentation.conftest import changed


def heard(batch):
    """Each sound without its padding, which is silent."""
    found = []
    for row, length in zip(batch["audio"], batch["audio_length"].tolist(), strict=True):
        assert not row[..., length:].any()
        found.append(row[..., :length])
    return found


def test_shift_wraps_around(sounds) -> None:
    made = changed("shift=0.3", sounds)
    moved = set()
    for old, new in zip(heard(sounds), heard(made), strict=True):
        by = [n for n in range(-len(old) // 3, len(old) // 3) if torch.equal(old.roll(n), new)]
        assert len(by) == 1
        moved.add(by[0] > 0)
    assert moved == {True, False}


def test_shift_brings_silence(sounds) -> None:
    for old, new in zip(
        heard(sounds), heard(changed("shift=0.3:fill=silence", sounds)), strict=True
    ):
        by = next(
            n
            for n in range(-len(old) // 3, len(old) // 3)
            if torch.equal(*((old[: len(old) - n], new[n:]) if n >= 0 else (old[-n:], new[:n])))
        )
        assert not (new[:by] if by >= 0 else new[by:]).any()
    assert torch.equal(changed("shift=0", sounds)["audio"], sounds["audio"])
    assert torch.equal(changed("shift:p=0", sounds)["audio"], sounds["audio"])


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_has_the_ratio_that_is_asked_for(sounds, snr) -> None:
    made = changed(f"noise={snr}:p=1", sounds)
    for old, new in zip(heard(sounds), heard(made), strict=True):
        noise = new - old
        found = 10 * torch.log10(old.square().mean() / noise.square().mean())
        assert found.item() == pytest.approx(snr, abs=0.3)
        # White: no two samples have to do with one another.
        assert (noise[1:] * noise[:-1]).mean().abs() < 0.06 * noise.square().mean()


def test_noise_comes_to_its_part_and_leaves_silence(sounds) -> None:
    batch = {"audio": torch.zeros(200, 100), ROW_ID: torch.arange(200)}
    assert not changed("noise:p=1", batch)["audio"].any()
    loud = {**batch, "audio": torch.ones(200, 100)}
    noisy = (changed("noise", loud)["audio"] != 1).any(1).float().mean()
    assert 0.4 < noisy < 0.6


def test_masks_silence_stretches_of_time(sounds) -> None:
    made = changed("masks=0.2:pitch=0:count=1", sounds)
    parts = []
    for old, new in zip(heard(sounds), heard(made), strict=True):
        silent = (new == 0) & (old != 0)
        at = torch.nonzero(silent)[:, 0]
        assert torch.equal(new[~silent], old[~silent])
        if len(at):
            assert not new[at.min() : at.max() + 1].any()
        parts.append((at.max() - at.min() + 1).item() / len(old) if len(at) else 0.0)
    assert max(parts) <= 0.2 + 0.001
    assert max(parts) > 0.1


def test_masks_silence_bands_of_pitch(sounds) -> None:
    whole = {name: each for name, each in sounds.items() if name != "audio_length"}
    noise = torch.randn(whole["audio"].shape, generator=torch.Generator().manual_seed(0))
    made = changed("masks=0:pitch=0.3:count=1", {**whole, "audio": noise})["audio"]
    before, after = torch.fft.rfft(noise).abs(), torch.fft.rfft(made).abs()
    wide = []
    root = (torch.arange(before.shape[1]) / (before.shape[1] - 1)).sqrt()
    for old, new in zip(before, after, strict=True):
        gone = new < 1e-2 * old
        at = torch.nonzero(gone)[:, 0]
        assert gone[at.min() : at.max() + 1].all() if len(at) else True
        assert torch.allclose(new[~gone], old[~gone], rtol=1e-2, atol=1e-2)
        wide.append((root[at.max()] - root[at.min()]).item() if len(at) else 0.0)
    assert 0.15 < max(wide) <= 0.3


def test_masks_of_none_leave_the_sound(sounds) -> None:
    assert torch.equal(changed("masks=0:pitch=0", sounds)["audio"], sounds["audio"])
    assert torch.allclose(changed("masks:p=0", sounds)["audio"], sounds["audio"], atol=1e-5)


@pytest.mark.parametrize("words", ["shift", "noise:p=1", "masks", "shift:fill=silence"])
def test_channels_are_changed_alike_in_time(sounds, words) -> None:
    one = changed(words, sounds)
    two = {**sounds, "audio": torch.stack((sounds["audio"], sounds["audio"]), 1)}
    made = changed(words, two)
    heard(made)
    if words != "noise:p=1":
        assert torch.allclose(made["audio"][:, 0], one["audio"], atol=1e-5)
        assert torch.equal(made["audio"][:, 0], made["audio"][:, 1])
    else:
        # Noise of their own, whatever the sounds are padded to.
        assert not torch.equal(made["audio"][:, 0], made["audio"][:, 1])
        longer = torch.nn.functional.pad(two["audio"], (0, 99))
        padded = changed(words, {**two, "audio": longer})["audio"]
        assert torch.allclose(padded[..., :-99], made["audio"], atol=1e-5)
