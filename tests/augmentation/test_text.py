"""Augmentations of texts, on the tokens of reviews."""

from __future__ import annotations

import pytest
import torch

from core.augmentation.augmenter import Augmenter
from core.augmentation.written import read
from tests.augmentation.conftest import changed, part


def texts(batch):
    """Each text's tokens, without its padding, which is all zeros."""
    found = []
    for row, length in zip(batch["tokens"].tolist(), batch["tokens_length"].tolist(), strict=True):
        assert not any(row[length:])
        assert all(row[:length])
        found.append(row[:length])
    return found


def is_subsequence(short, long):
    rest = iter(long)
    return all(word in rest for word in short)


def test_drop_leaves_words_out_in_their_order(reviews) -> None:
    made = changed("drop=0.2", reviews)
    before, after = texts(reviews), texts(made)
    assert all(is_subsequence(new, old) for new, old in zip(after, before, strict=True))
    gone = 1 - sum(map(len, after)) / sum(map(len, before))
    assert 0.16 < gone < 0.24
    assert {name: each.dtype for name, each in made.items()} == {
        name: each.dtype for name, each in reviews.items()
    }
    assert made["tokens"].shape == reviews["tokens"].shape


def test_drop_never_empties_a_text(reviews) -> None:
    after = texts(changed("drop=1", reviews))
    assert all(len(text) == 1 for text in after)
    assert all(new[0] in old for new, old in zip(after, texts(reviews), strict=True))
    # Not simply the first.
    assert len({old.index(new[0]) for new, old in zip(after, texts(reviews), strict=True)}) > 10
    assert texts(changed("drop=1:p=0", reviews)) == texts(reviews)
    assert texts(changed("drop=0", reviews)) == texts(reviews)


def test_swap_lets_so_many_pairs_change_places(reviews) -> None:
    made = changed("swap=0.1", reviews)
    assert torch.equal(made["tokens_length"], reviews["tokens_length"])
    # Words numbered by their place show where each came from.
    place = torch.arange(1, reviews["tokens"].shape[1] + 1, dtype=torch.int32)
    numbered = {**reviews, "tokens": place * (place <= reviews["tokens_length"][:, None])}
    for old, new in zip(texts(numbered), texts(changed("swap=0.1", numbered)), strict=True):
        moved = [at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        wanted = min(max(1, round(0.1 * len(old))), len(old) // 2)
        assert len(moved) == 2 * wanted
        assert all(new[new[at] - 1] == old[at] for at in moved)
        assert sorted(new) == old
    assert [sorted(text) for text in texts(made)] == [sorted(text) for text in texts(reviews)]
    assert texts(changed("swap=0", reviews)) == texts(changed("swap:p=0", reviews))
    assert texts(changed("swap=0", reviews)) == texts(reviews)


def test_swaps_are_anywhere_in_the_text(reviews) -> None:
    place = torch.arange(1, 61, dtype=torch.int32).repeat(500, 1)
    batch = {"tokens": place, "tokens_length": torch.full((500,), 60)}
    from core.data.lake.layout import ROW_ID

    made = changed("swap=0.1", {**batch, ROW_ID: torch.arange(500)})["tokens"]
    moved = (made != place).float().mean(0)
    assert (moved - 0.2).abs().max() < 0.08
    far = (made - place).abs()[made != place].float().mean()
    assert 15 < far < 25


@pytest.mark.parametrize("words", ["drop=0.2", "swap=0.2", "drop=0.2,swap=0.2"])
def test_how_long_the_longest_of_a_batch_is_changes_no_other_text(reviews, words) -> None:
    short = part(reviews, torch.nonzero(reviews["tokens_length"] <= 30)[:, 0])
    longest = int(short["tokens_length"].max())
    assert 2 < longest < reviews["tokens"].shape[1]
    cut = {**short, "tokens": short["tokens"][:, :longest]}
    assert texts(changed(words, cut)) == texts(changed(words, short)) != texts(short)


@pytest.mark.parametrize("words", ["drop=0.5", "drop=1", "swap=0.5", "drop=0.5,swap=0.5"])
def test_the_marks_around_a_text_stay_where_they_are(reviews, words) -> None:
    first, last = 9001, 9002
    made = {name: each.clone() for name, each in reviews.items()}
    longest = made["tokens"].shape[1]
    made["tokens_length"] = made["tokens_length"].clamp(max=longest - 2) + 2
    made["tokens"] = torch.nn.functional.pad(made["tokens"], (1, 0))[:, :longest]
    made["tokens"][:, 0] = first
    ends = made["tokens_length"] - 1
    made["tokens"][torch.arange(len(ends)), ends] = last
    made["tokens"][torch.arange(longest) > ends[:, None]] = 0
    after = texts(Augmenter(read(words), 0, (first, last))(made, 0))
    for new, old in zip(after, texts(made), strict=True):
        assert (new[0], new[-1]) == (first, last)
        assert first not in new[1:-1]
        assert last not in new[1:-1]
        # Of a text's own words one stays, where it has any.
        assert (len(new) > 2) == (len(old) > 2)
    assert after != texts(made)
