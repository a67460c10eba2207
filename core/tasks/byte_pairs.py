"""Texts to numbers, by pieces of words: a byte-level vocabulary of pairs that came often.

Byte-pair encoding (Sennrich et al. 2016) over bytes, so that every text has a code, through the
package tokenizers. The whole tokenizer is one JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import LeptonError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
BYTES_A_PIECE = 200
LEAST, MOST = 512, 8192


class BytePairs:
    """A tokenizer; the piece `end` is the end of a text, 0 in those that are learnt here."""

    def __init__(self, written: str, end: int = 0) -> None:
        self.written = written
        self.end = end

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary: int, size: int) -> BytePairs:
        """Learn from texts of `size` bytes together; 0 for the vocabulary chooses by that."""
        found = library()
        made = found.Tokenizer(found.models.BPE())
        made.pre_tokenizer = found.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = found.decoders.ByteLevel()
        trainer = found.trainers.BpeTrainer(
            vocab_size=vocabulary or min(MOST, max(LEAST, size // BYTES_A_PIECE)),
            special_tokens=[END],
            initial_alphabet=sorted(found.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        made.train_from_iterator(texts, trainer)
        return cls(made.to_str())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        found: Tokenizer = library().Tokenizer.from_str(self.written)
        found.no_padding()
        found.no_truncation()
        return found

    @property
    def size(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    @cached_property
    def widths(self) -> np.ndarray[Any, Any]:
        """The bytes that each piece stands for, int64 [size]; none for the end and other marks."""
        marks = {*self._tokenizer.get_added_tokens_decoder(), self.end}
        pieces = [self._tokenizer.id_to_token(number) or "" for number in range(self.size)]
        width = _width if any(map(_BYTE.fullmatch, pieces)) else len
        # In the byte-level alphabet a character is a byte.
        widths = [0 if at in marks else width(piece) for at, piece in enumerate(pieces)]
        return np.array(widths, np.int64)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [list(each.ids) for each in found]

    def decode(self, pieces: Sequence[int]) -> str:
        return str(self._tokenizer.decode([n for n in pieces if n >= 0 and n != self.end]))


def _width(piece: str) -> int:
    """The bytes of a piece where spaces are written as a mark and rare bytes as <0x0A>."""
    return 1 if _BYTE.fullmatch(piece) else len(piece.replace("\u2581", " ").encode())


def library() -> Any:
    try:
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: F401
    except ImportError as error:
        raise LeptonError(
            "pieces of words are read through the package tokenizers",
            hint="Install it: pip install 'lepton-tui[text]'",
        ) from error
    return tokenizers
