"""Transcripts as sequences of letters, and how far one is from another."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import LeptonError
from core.tasks.preprocessing import SoundReading

Array = np.ndarray[Any, Any]

BLANK = 0
"""What CTC says between letters."""
STRANGE = "\N{REPLACEMENT CHARACTER}"
"""Stands for every letter that the training transcripts do not have."""
_KEPT = "LMN"
_LACKING = 0.005
"""The share of letters that a pretrained model need not know."""
_JOINING = {"\N{RIGHT SINGLE QUOTATION MARK}": "'"}


def normalised(text: str) -> str:
    """As transcripts are compared: lower case, one space between words, no punctuation.

    Apostrophes stay, since they are part of a word.
    """
    letters = (_JOINING.get(each, each) for each in unicodedata.normalize("NFKC", text).lower())
    kept = (
        each if each == "'" or unicodedata.category(each)[0] in _KEPT else " " for each in letters
    )
    return " ".join("".join(kept).split())


@dataclass(frozen=True)
class Letters:
    """The letters of the training transcripts; the code of each is its place, from 1 on."""

    known: tuple[str, ...]

    @classmethod
    def learn(cls, transcripts: Iterable[str]) -> Letters:
        """From transcripts that are normalised."""
        return cls(tuple(sorted({letter for text in transcripts for letter in text})))

    @classmethod
    def taken_over(
        cls, reading: SoundReading, transcripts: Mapping[str, int]
    ) -> tuple[Letters, tuple[int, ...]] | None:
        """The letters that a pretrained model says, and the output of each code.

        `transcripts` are normalised, with how often each stands there. None: the model says none,
        or lacks more of theirs than now and then.
        """
        places: dict[str, int] = {}
        for place, letter in enumerate(reading.letters):
            if len(letter) == 1 and (letter == " " or normalised(letter) == letter):
                places.setdefault(letter, place)
        counts: Counter[str] = Counter()
        for text, times in transcripts.items():
            counts.update({letter: count * times for letter, count in Counter(text).items()})
        lacking = sum(count for letter, count in counts.items() if letter not in places)
        if not places or lacking > _LACKING * counts.total():
            return None
        known = tuple(sorted(places))
        said = (reading.blank, *(places[letter] for letter in known), reading.strange)
        return cls(known), said

    @property
    def size(self) -> int:
        """How many codes there are: the blank, the letters, and `STRANGE`."""
        return len(self.known) + 2

    def encode(self, text: str) -> Array:
        """The codes of a normalised text, int32 [letters]."""
        codes = {letter: code for code, letter in enumerate(self.known, 1)}
        return np.array([codes.get(letter, self.size - 1) for letter in text], np.int32)

    def decode(self, codes: Iterable[float]) -> str:
        """The text of codes; what is no letter is passed over."""
        letters = ("", *self.known, STRANGE)
        text = "".join(letters[int(code)] for code in codes if code > BLANK)
        return " ".join(text.split())


def edits(truths: Sequence[str], answers: Sequence[str]) -> tuple[Array, Array, Array, Array]:
    """Of each truth: wrong words, words, wrong letters and letters, int64 [n] each.

    Wrong is what has to be changed, left out or put in.

    Raises:
        LeptonError: jiwer is not installed.
    """
    return (
        np.array(_edits(truths, answers, "words"), np.int64),
        np.array([len(truth.split()) for truth in truths], np.int64),
        np.array(_edits(truths, answers, "characters"), np.int64),
        np.array([*map(len, truths)], np.int64),
    )


def _edits(truths: Sequence[str], answers: Sequence[str], unit: str) -> list[int]:
    try:
        import jiwer
    except ImportError as error:
        raise LeptonError(
            "transcripts are compared by a library that is not installed",
            hint="Install it: pip install 'lepton-tui[audio]'",
        ) from error
    compare = jiwer.process_words if unit == "words" else jiwer.process_characters
    counts = []
    for truth, answer in zip(truths, answers, strict=True):
        if not truth:
            counts.append(len(answer.split()) if unit == "words" else len(answer))
            continue
        found = compare(truth, answer)
        counts.append(found.substitutions + found.deletions + found.insertions)
    return counts
