"""What becomes of an example follows from seed, epoch and row: from nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.augmentation.augmenter import Augmenter
from core.augmentation.written import read
from core.data.lake.layout import ROW_ID
from core.training.feed import Split
from tests.augmentation.conftest import changed, part
from tests.training.test_feed import resident

EACH = {
    "pictures": "flip=both,crop=0.4,rotate=30,colour,erase=0.3:p=0.7",
    "digits": "flip,crop,rotate,colour,erase",
    "reviews": "drop=0.2,swap",
    "sounds": "shift=0.2,noise,masks",
}


@pytest.mark.parametrize("kind", EACH)
def test_whatever_else_is_in_the_batch(kind, request) -> None:
    batch = request.getfixturevalue(kind)
    whole = changed(EACH[kind], batch)
    count = len(batch[ROW_ID])
    shuffled = torch.from_numpy(np.random.default_rng(0).permutation(count))
    for places in (shuffled, shuffled[:7], shuffled[7:8]):
        some = changed(EACH[kind], part(batch, places))
        assert all(torch.equal(some[name], each[places]) for name, each in whole.items())


@pytest.mark.parametrize("kind", EACH)
def test_another_epoch_or_seed_changes_it_otherwise(kind, request) -> None:
    batch = request.getfixturevalue(kind)
    (name,) = {"image", "tokens", "audio"} & batch.keys()
    one = changed(EACH[kind], batch)[name]
    assert torch.equal(one, changed(EACH[kind], batch)[name])
    for when in ({"epoch": 1}, {"seed": 1}):
        other = changed(EACH[kind], batch, **when)[name]
        same = (one == other).flatten(1).all(1).float().mean()
        assert same < 0.15


def test_one_augmentation_does_not_change_anothers_chance(pictures) -> None:
    flipped = changed("flip", pictures)["image"]
    erased = changed("erase:p=1", {**pictures, "image": flipped})["image"]
    assert torch.equal(changed("flip,erase:p=1", pictures)["image"], erased)
    mixed = changed("flip,erase:p=1,mixup", pictures)
    assert torch.equal(changed("mixup", {**pictures, "image": erased})["image"], mixed["image"])


def test_without_any_nothing_is_done(digits) -> None:
    none = Augmenter(read(""), 0)
    assert not none
    assert none(digits, 0) is digits
    assert Augmenter(read("flip"), 0)


@pytest.mark.parametrize("window", [0, 20])
def test_batches_of_any_start_and_size_carry_their_rows(digits, window) -> None:
    rids = digits[ROW_ID].numpy()
    split = Split({"image": digits["image"], "target": digits["target"]}, rids)
    place = {rid: at for at, rid in enumerate(rids.tolist())}
    whole = changed("crop,flip", digits, epoch=3)["image"]
    augmenter = Augmenter(read("crop,flip"), 0)
    for size, start in ((16, 0), (16, 2), (5, 7)):
        batches = list(split.epoch(0, 3, size, start=start, window=window))
        for batch in batches:
            at = torch.tensor([place[rid] for rid in batch[ROW_ID].tolist()])
            assert torch.equal(batch["image"], digits["image"][at])
            assert torch.equal(augmenter(batch, 3)["image"], whole[at])
        assert len(batches) == -(-len(rids) // size) - start


def test_rows_of_a_mapped_file_are_read_with_it(digits, tmp_path) -> None:
    for name, array in (("x", digits["image"].numpy()), ("rids", digits[ROW_ID].numpy())):
        np.save(tmp_path / f"{name}.npy", array)
    image = np.load(tmp_path / "x.npy", mmap_mode="c")
    rids = np.load(tmp_path / "rids.npy", mmap_mode="c")
    split = Split({"image": torch.from_numpy(image)}, rids, {"image": image})
    place = {rid: at for at, rid in enumerate(digits[ROW_ID].tolist())}
    seen = []
    for batch in split.epoch(0, 0, 16, window=20):
        at = torch.tensor([place[rid] for rid in batch[ROW_ID].tolist()])
        assert torch.equal(batch["image"], digits["image"][at])
        seen += at.tolist()
    assert sorted(seen) == list(range(len(rids)))
    if Path("/proc/self/smaps").exists():
        assert resident(tmp_path / "x.npy") == resident(tmp_path / "rids.npy") == 0
