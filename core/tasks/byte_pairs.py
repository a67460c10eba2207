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
_LOOKED_BACK = 8
"""Pieces before one on which its letters may depend."""
LEAST, MOST = 512, 8192


class BytePairs:
    """A tokenizer; the piece `end` is the end of a text, 0 in those that are learnt here.

    `start` are the pieces before a text that a model goes on with, and with one of `ends` a model
    ends its answer; both are the end of a text where nothing else is said.
    """

    def __init__(
        self,
        written: str,
        end: int = 0,
        *,
        start: Sequence[int] | None = None,
        ends: Sequence[int] = (),
    ) -> None:
        self.written = written
        self.end = end
        # A text begins where another one has ended.
        self.start = [end] if start is None else list(start)
        self.ends = sorted({end, *ends})

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
        pieces = [self._tokenizer.id_to_token(number) or "" for number in range(self.size)]
        # In the byte-level alphabet a character is a byte.
        width = _width if self._alphabet is None else len
        widths = [0 if at in self._marks else width(piece) for at, piece in enumerate(pieces)]
        return np.array(widths, np.int64)

    def bytes_of(self, piece: int) -> bytes:
        """What a piece stands for; for a mark, its name."""
        text = self._tokenizer.id_to_token(piece) or ""
        if piece in self._marks:
            return text.encode()
        known = self._alphabet
        if known is not None and all(letter in known for letter in text):
            return bytes(known[letter] for letter in text)
        if _BYTE.fullmatch(text):
            return bytes([int(text[3:5], 16)])
        return text.replace("\u2581", " ").encode()

    @cached_property
    def _marks(self) -> set[int]:
        return {*self._tokenizer.get_added_tokens_decoder(), self.end}

    @cached_property
    def _alphabet(self) -> dict[str, int] | None:
        """The byte of each letter that a piece is written in; None where pieces are written as text
        is, but for spaces and rare bytes."""
        pieces = (self._tokenizer.id_to_token(number) or "" for number in range(self.size))
        return None if any(map(_BYTE.fullmatch, pieces)) else _letters_of_bytes()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [list(each.ids) for each in found]

    def prompt(self, text: str, *, begun: bool = False) -> list[int]:
        """The pieces of a text to go on with; a `begun` one holds the marks of its start itself."""
        (pieces,) = self.encode([text])
        return (pieces if begun else [*self.start, *pieces]) or [self.end]

    def decoding(self, prompt: Sequence[int]) -> Decoding:
        """What makes text of the pieces that follow a prompt, one by one."""
        return Decoding(self._tokenizer, prompt)

    def decode(self, pieces: Sequence[int]) -> str:
        return str(self._tokenizer.decode([n for n in pieces if n >= 0 and n != self.end]))


class Decoding:
    """Text of pieces as they come. A letter may have several, and is told with the last of them."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        # How a piece is written may depend on what stands before it, as a space does.
        self._before = list(prompt[-_LOOKED_BACK:])
        self._stream = self._begun()
        self._pending: list[int] = []

    def step(self, piece: int) -> str:
        self._pending.append(piece)
        told = self._stream.step(self._tokenizer, piece)
        if told is None:
            return ""
        self._before = [*self._before, *self._pending][-_LOOKED_BACK:]
        self._pending = []
        return str(told)

    def rest(self) -> str:
        """What is no whole letter, with a mark (\ufffd) for each part."""
        if not self._pending:
            return ""
        known = self._tokenizer.decode(self._before)
        both = self._tokenizer.decode([*self._before, *self._pending])
        return str(both[len(known) :]) if both.startswith(known) else ""

    def _begun(self) -> Any:
        from tokenizers.decoders import DecodeStream

        return DecodeStream(ids=self._before, skip_special_tokens=True)


def _width(piece: str) -> int:
    """The bytes of a piece where spaces are written as a mark and rare bytes as <0x0A>."""
    return 1 if _BYTE.fullmatch(piece) else len(piece.replace("\u2581", " ").encode())


def _letters_of_bytes() -> dict[str, int]:
    """The byte that each letter of the byte-level alphabet stands for: itself where it can be seen,
    and for the others those from 256 on, in order."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {
        chr(256 + at): byte for at, byte in enumerate(others)
    }


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
