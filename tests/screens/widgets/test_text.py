"""Words and numbers: what data may hold, and how wide it is."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from core.generation.pieces import Ending
from screens.text import clip, fit, human_number, plain, plain_lines, speeds


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("plain [b]words[/b]", "plain [b]words[/b]"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\r\nb\nc\u2028d", "a⏎b⏎c⏎d"),
        ("a\tb\x7f\x85", "a b␡�"),
        ("\u202eabc\u200b\ufeff\ud800", "�abc���"),
        ("👩\u200d🔬 ❤\ufe0f 👍🏽", "👩🔬 ❤ 👍"),
        ("e\u0301 漢字", "e\u0301 漢字"),
    ],
)
def test_nothing_that_a_terminal_would_obey_is_left(data: str, shown: str) -> None:
    assert plain(data) == shown


def test_lines_stay_lines() -> None:
    assert plain_lines("a\x1b\nb\r\nc") == "a␛\nb\nc"


@pytest.mark.parametrize(
    "words", ["", "abc", "漢字漢字", "a漢字", "e\u0301" * 9, "👍👍👍", "x" * 999]
)
@pytest.mark.parametrize("width", [0, 1, 2, 5, 8])
def test_a_text_fits_exactly(words: str, width: int) -> None:
    assert cell_len(fit(words, width)) == width
    assert cell_len(clip(words, width)) <= width
    assert fit(words, width, right=True).endswith(clip(words, width))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("nan"), "nan"),
        (float("inf"), "∞"),
        (float("-inf"), "-∞"),
        (0, "0"),
        (0.03127, "0.03127"),
        (0.99996, "1"),
        (9999.4, "9999"),
        (9999.7, "10,000"),
        (-9999.7, "-10,000"),
        (3_210_000, "3,210,000"),
        (1e15, "1.000e+15"),
        (0.000012, "1.2e-05"),
    ],
)
def test_a_number_in_few_digits(value: float | None, shown: str) -> None:
    assert human_number(value) == shown


@pytest.mark.parametrize(
    ("reason", "new", "shown"),
    [
        ("stop", 21, "10 tokens read at 20/s, 21 said at 5/s"),
        ("stop", 1, "10 tokens read at 20/s, 1 said"),
        ("length", 1, "10 tokens read at 20/s, 1 said; the answer is cut: its length is all used"),
    ],
)
def test_one_piece_alone_has_no_speed(reason: str, new: int, shown: str) -> None:
    assert speeds(Ending(reason, 10, new, 0.5, 4.0)) == shown
