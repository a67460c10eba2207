"""How likely what was said was: by the model itself, whatever the settings made of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from torch import Tensor

from core.generation.pieces import Token

LEAST = -9999.0
"""The log-probability of what cannot be, as OpenAI writes it: JSON has no infinity."""


class Likelihoods:
    """The tokens of one text that are not told yet, each with the `count` likeliest of its place.

    A token is told with the first of its letters, so none is of a stop word that nobody sees.
    """

    def __init__(self, count: int, bytes_of: Callable[[int], bytes]) -> None:
        self._count = count
        self._bytes_of = bytes_of
        self._waiting: deque[Token] = deque()
        self._read: list[Token] = []
        self._letters = 0

    def hear(self, piece: int, logits: Tensor, known: int, before: int) -> None:
        """A piece was said, of all its place's logits; the first `known` of them have a text.

        So many letters `before` it are not told yet.
        """
        self._waiting.append(self._token(piece, logits, known, self._letters + before))

    def read(self, piece: int, logits: Tensor | None, known: int, letters: int) -> None:
        """A piece of the prompt, which so many letters are whole with; before the first one, whose
        logits are None, stands nothing that says how likely it is."""
        self._read.append(self._token(piece, logits, known, self._letters))
        self._letters += letters

    def of_prompt(self) -> list[Token]:
        """The tokens of the prompt, once."""
        found, self._read = self._read, []
        return found

    def _token(self, piece: int, logits: Tensor | None, known: int, offset: int) -> Token:
        if logits is None:
            return Token(self._bytes_of(piece), math.nan, offset, [])
        whole = logits.double()
        whole = whole - whole.logsumexp(0)
        values, which = whole[:known].topk(min(self._count, known))
        likeliest = [
            (self._bytes_of(at), max(value, LEAST))
            for value, at in zip(values.tolist(), which.tolist(), strict=True)
        ]
        return Token(self._bytes_of(piece), max(float(whole[piece]), LEAST), offset, likeliest)

    def told(self, letters: int) -> list[Token]:
        """Those that begin in the next so many letters, now that these are told."""
        self._letters += letters
        found = []
        while self._waiting and self._waiting[0].offset < self._letters:
            found.append(self._waiting.popleft())
        return found

    def rest(self) -> list[Token]:
        """Those that have no letter of their own, at the end of a text that was told whole."""
        found, self._waiting = [*self._waiting], deque()
        return found
