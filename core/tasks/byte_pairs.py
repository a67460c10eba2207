"""Texts to numbers, by pieces of words: a byte-level vocabulary of pairs that came often.

Byte-pair encoding (Sennrich et al. 2016) over bytes, so that every text has a code, through the
package tokenizers. The whole tokenizer is one JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import LeptonError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"
BYTES_A_PIECE = 200
LEAST, MOST = 512, 8192


class BytePairs:
    """A tokenizer; piece 0 is the end of a text."""

    def __init__(self, written: str) -> None:
        self.written = written

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary: int, size: int) -> BytePairs:
        """Learn from texts of `size` bytes together; 0 for the vocabulary chooses by that."""
        library = _library()
        made = library.Tokenizer(library.models.BPE())
        made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary or min(MOST, max(LEAST, size // BYTES_A_PIECE)),
            special_tokens=[END],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        made.train_from_iterator(texts, trainer)
        return cls(made.to_str())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        found: Tokenizer = _library().Tokenizer.from_str(self.written)
        return found

    @property
    def size(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def widths(self) -> np.ndarray[Any, Any]:
        """The bytes that each piece stands for, int64 [size]; none for the end."""
        pieces = (self._tokenizer.id_to_token(number) for number in range(1, self.size))
        # In the byte-level alphabet a character is a byte.
        return np.array([0, *(len(piece or "") for piece in pieces)], np.int64)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(each.ids) for each in self._tokenizer.encode_batch(list(texts))]

    def decode(self, pieces: Sequence[int]) -> str:
        return str(self._tokenizer.decode([each for each in pieces if each > 0]))


def _library() -> Any:
    try:
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: F401
    except ImportError as error:
        raise LeptonError(
            "text generation needs the package tokenizers",
            hint="Install it: pip install 'lepton-tui[text]'",
        ) from error
    return tokenizers
