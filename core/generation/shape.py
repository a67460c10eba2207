"""JSON-shaped answers: at each piece, which ones may come next, through the package llguidance."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from core.errors import LeptonError, UsageError
from core.generation.sampling import Sampling

ANY_OBJECT = {"type": "object"}
# Without spaces: a model that knows little would write those for ever.
WAY: Any = {"whitespace_flexible": False}
_ONE_AT_A_TIME = threading.Lock()


class Written(Protocol):
    """A tokenizer: its tokenizer.json, and the number of its pieces."""

    @property
    def written(self) -> str: ...

    @property
    def size(self) -> int: ...


class Shape:
    """What of a JSON text may come next; it is told each piece that did."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    @classmethod
    def of(cls, sampling: Sampling, pieces: Written, ends: Sequence[int]) -> Shape | None:
        """The shape that the settings ask for; None: any text.

        Raises:
            UsageError: there is no such schema.
            LeptonError: the package for it is missing, or cannot read the tokenizer.
        """
        if not sampling.json:
            return None
        try:
            from llguidance import LLMatcher
        except ImportError as error:
            raise LeptonError(
                "JSON-shaped answers are made through the package llguidance",
                hint="Install it: pip install 'lepton-tui[generation]'",
            ) from error
        try:
            with _ONE_AT_A_TIME:
                tokenizer = _tokenizer(pieces.written, pieces.size, tuple(ends))
        except ValueError as error:
            raise LeptonError(f"this model's tokenizer takes no JSON shape: {error}") from error
        schema = dict(ANY_OBJECT if sampling.schema is None else sampling.schema)
        try:
            grammar = LLMatcher.grammar_from_json_schema(schema, overrides=WAY)
            matcher = LLMatcher(tokenizer, grammar, log_level=0)
        except (ValueError, RecursionError) as error:
            raise _no_schema(str(error)) from error
        if matcher.is_error():
            raise _no_schema(matcher.get_error())
        return cls(matcher)

    @property
    def done(self) -> bool:
        """Whether the text is whole, and nothing may follow."""
        return bool(self._matcher.is_stopped())

    def allowed(self, vocabulary: int) -> Tensor:
        """Which pieces may come next, bool [vocabulary]."""
        told = np.frombuffer(self._matcher.compute_logit_bias(), np.uint8)[:vocabulary] > 0
        may = torch.zeros(vocabulary, dtype=torch.bool)
        may[: len(told)] = torch.from_numpy(told)
        if self._matcher.is_error() or not told.any():
            raise LeptonError(f"the answer's shape cannot be held: {self._matcher.get_error()}")
        return may

    def take(self, piece: int) -> None:
        self._matcher.consume_token(piece)


@lru_cache(maxsize=8)
def _tokenizer(written: str, size: int, ends: tuple[int, ...]) -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer(written, n_vocab=size, eos_token=list(ends))


def _no_schema(why: str) -> UsageError:
    (first, *_) = why.splitlines() or ["nobody knows why"]
    return UsageError(
        f"the JSON schema cannot be held: {first}",
        where="schema",
        hint="json without a schema asks for any JSON object.",
    )
