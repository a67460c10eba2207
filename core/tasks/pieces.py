"""Texts to numbers as a pretrained model reads them: its own tokenizer, with its own marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from core.tasks.byte_pairs import library
from core.tasks.preprocessing import TextReading
from core.tasks.ragged import Ragged
from core.tasks.words import MOST_LENGTH

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_AT_ONCE = 1000


@dataclass(frozen=True)
class Pieces:
    """A tokenizer (one JSON text), the piece that fills up, and the length in pieces."""

    written: str
    pad: int
    length: int

    @classmethod
    def learn(cls, reading: TextReading, texts: Iterable[str], length: int = 0) -> Pieces:
        """The length that holds 95 % of the texts, unless one is given.

        Raises:
            UsageError: the model cannot read so long a text.
        """
        whole = cls(reading.tokenizer, reading.pad, reading.most)
        if length:
            return cls(whole.written, whole.pad, reading.length(length, length))
        texts = iter(texts)
        lengths = [1]
        while some := list(islice(texts, _AT_ONCE)):
            lengths += whole.encode(some).lengths.tolist()
        usual = int(np.ceil(np.percentile(lengths, 95)))
        return cls(whole.written, whole.pad, reading.length(0, min(usual, MOST_LENGTH)))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        found: Tokenizer = library().Tokenizer.from_str(self.written)
        found.no_padding()
        found.enable_truncation(self.length)
        return found

    @property
    def size(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @property
    def marks(self) -> tuple[int, ...]:
        """The pieces that are put around a text, such as those of its beginning and its end."""
        return tuple(sorted(set(self._tokenizer.encode("").ids)))

    def encode(self, texts: Sequence[str | None]) -> Ragged:
        """The pieces of each text, int32; of one that has none, `pad`.

        A longer text is cut, its closing mark kept.
        """
        found = self._tokenizer.encode_batch([text or "" for text in texts])
        return Ragged.of_codes([each.ids or [self.pad] for each in found])

    def to_json(self) -> dict[str, Any]:
        return {"tokenizer": self.written, "pad": self.pad, "length": self.length}
