"""An answer as it comes: parts of its text, and with the last of them how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

STOP, LENGTH = "stop", "length"


@dataclass(frozen=True)
class Ending:
    """Why and when an answer ended: "stop" (the model or a stop word ended it) or "length".

    `prefill_seconds` went by until the prompt was read, `decode_seconds` from the first piece to
    the last; others that are answered at the same time make both longer.
    """

    reason: str
    prompt_tokens: int
    new_tokens: int
    prefill_seconds: float
    decode_seconds: float

    @property
    def prefill_rate(self) -> float:
        """Pieces of the prompt a second."""
        return self.prompt_tokens / max(self.prefill_seconds, 1e-9)

    @property
    def decode_rate(self) -> float:
        """New pieces a second, without the first: the prompt tells that one."""
        return max(0, self.new_tokens - 1) / max(self.decode_seconds, 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Its fields, with both rates in pieces a second."""
        rates = {"prefill_rate": self.prefill_rate, "decode_rate": self.decode_rate}
        return {**asdict(self), **{name: round(rate, 1) for name, rate in rates.items()}}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})


class Token(NamedTuple):
    """A token that was said: the bytes it stands for (`raw`), the natural logarithm of its
    probability, how many whole letters came before it, and the likeliest tokens of its place.

    How likely they are is what the model itself says, before any setting. The first of a prompt has
    no probability: it is no number.
    """

    raw: bytes
    logprob: float
    offset: int
    likeliest: Sequence[tuple[bytes, float]]

    def to_json(self) -> list[Any]:
        return [*self]

    @classmethod
    def from_json(cls, told: list[Any]) -> Self:
        raw, logprob, offset, likeliest = told
        return cls(raw, logprob, offset, [(each, more) for each, more in likeliest])


class Piece(NamedTuple):
    """A part of an answer's text; the last one, which may be empty, says how it ended.

    `tokens` are those that begin in it, where `Sampling.logprobs` asks for them.
    """

    text: str
    ending: Ending | None = None
    tokens: Sequence[Token] = ()
