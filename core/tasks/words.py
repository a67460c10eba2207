"""Texts to numbers, by words: a vocabulary of the training split's most frequent words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from core.tasks.ragged import Ragged

PAD, UNKNOWN_WORD = "<pad>", "<unk>"
MOST_WORDS = 20_000
MOST_LENGTH = 256
# Words with their apostrophes, each ideograph or kana alone, each punctuation mark alone.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+(?:'\w+)?|[^\w\s]"
)


def split_words(text: str) -> list[str]:
    """The lower-case words and punctuation marks of a text, in order."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class Words:
    """A vocabulary (word 0 is the padding, word 1 any unknown word) and the length in words."""

    pad: ClassVar[int] = 0
    vocabulary: tuple[str, ...]
    length: int

    @classmethod
    def learn(cls, texts: Iterable[str], length: int = 0, vocabulary: int = 0) -> Words:
        """Learn from texts: words that occur twice or more, and the length that holds 95 % of them.

        `length` and `vocabulary` fix what is otherwise learnt, 0 leaves it to the texts.
        """
        counts: Counter[str] = Counter()
        lengths: list[int] = []
        for text in texts:
            words = split_words(text)
            counts.update(words)
            lengths.append(len(words))
        frequent = {word: count for word, count in counts.items() if count > 1} or counts
        most = (vocabulary or MOST_WORDS) - 2
        kept = sorted(frequent, key=lambda word: (-frequent[word], word))[:most]
        usual = int(np.ceil(np.percentile(lengths, 95))) if lengths else 1
        return cls((PAD, UNKNOWN_WORD, *kept), length or max(1, min(usual, MOST_LENGTH)))

    @property
    def size(self) -> int:
        return len(self.vocabulary)

    def to_json(self) -> dict[str, Any]:
        return {"vocabulary": list(self.vocabulary), "length": self.length}

    def encode(self, texts: Sequence[str | None]) -> Ragged:
        """The words of each text, int32, at least one.

        A longer text is cut; one without words becomes a single unknown word.
        """
        codes = {word: code for code, word in enumerate(self.vocabulary)}
        cut = (split_words(text or "")[: self.length] for text in texts)
        return Ragged.of_codes([[codes.get(word, 1) for word in words] or [1] for words in cut])
