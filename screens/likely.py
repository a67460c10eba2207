"""How likely the tokens of an answer were, in lines that a person reads beneath it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.generation.pieces import Token
from screens.text import counted, percent, plain

MOST_TOKENS = 500
"""Tokens that are told of; of the rest it is said how many they are."""


def likely_lines(tokens: Sequence[Token]) -> list[str]:
    """A line for each token: its probability, and the others that were likely in its place."""
    words = [_word(each.raw) for each in tokens[:MOST_TOKENS]]
    width = max(map(len, words), default=0)
    lines = []
    for token, word in zip(tokens, words, strict=False):
        others = ", ".join(
            f"{_word(raw)} {_share(logprob)}"
            for raw, logprob in token.likeliest
            if raw != token.raw
        )
        beside = f"{word:<{width}}  or {others}" if others else word
        lines.append(f"{_share(token.logprob):>7}  {beside}")
    if (left := len(tokens) - len(lines)) > 0:
        lines.append(f"… and {counted(left, 'more token')}")
    return lines


def _word(raw: bytes) -> str:
    """A token in quotes; one that is a part of a letter, as its bytes."""
    try:
        return f'"{plain(raw.decode())}"'
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in raw)


def _share(logprob: float) -> str:
    return percent(math.exp(logprob))
