"""Text that is shown while it comes: whole letters, and no part of a stop word."""

import pytest

from core.generation.telling import Telling

from .conftest import pairs


def told(pieces, stops=()):
    telling = Telling(pairs().decoding([]), stops)
    parts = []
    for piece in pieces:
        parts.append(telling.hear(piece))
        if telling.stopped:
            return [part for part in parts if part], True
    parts.append(telling.end())
    return [part for part in parts if part], False


@pytest.mark.parametrize("text", ["naïve – 好的 🎉 end", "plain words", "🎉", "  two  spaces "])
def test_letters_of_several_pieces_are_shown_whole(text):
    (pieces,) = pairs().encode([text])
    parts, _ = told(pieces)
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)


def test_half_a_letter_at_the_end_is_told_as_one_that_is_unknown():
    (pieces,) = pairs().encode(["ab🎉"])
    parts, _ = told(pieces[:-1])
    assert "".join(parts) == pairs().decode(pieces[:-1])
    assert "".join(parts).startswith("ab\ufffd")


@pytest.mark.parametrize("stop", ["END", "\n\n", "🎉", "here we are"])
def test_a_stop_word_is_never_shown_in_part(stop):
    for before in ("we go on until ", "E EN EN", "one\nline ", "he her"):
        text = f"{before}{stop} and more"
        (pieces,) = pairs().encode([text])
        parts, stopped = told(pieces, [stop])
        assert stopped
        assert "".join(parts) == before


def test_what_only_looked_like_a_stop_word_is_shown():
    (pieces,) = pairs().encode(["the EN"])
    parts, stopped = told(pieces, ["END"])
    assert not stopped
    assert "".join(parts) == "the EN"


def test_the_first_of_several_stop_words_ends_it():
    (pieces,) = pairs().encode(["one two three"])
    parts, stopped = told(pieces, ["three", "two"])
    assert stopped
    assert "".join(parts) == "one "
