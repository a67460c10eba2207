"""A text that is going on: one or more of them, a step at a time, each with its own settings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from core.errors import LeptonError
from core.generation.choosing import Chooser
from core.generation.decoder import Decoder
from core.generation.likelihood import Likelihoods
from core.generation.pieces import LENGTH, STOP, Ending, Piece
from core.generation.sampling import Sampling, TooLong
from core.generation.shape import Shape, Written
from core.generation.telling import Decoding, Telling

AT_ONCE = 512
"""Pieces of a prompt that are read in one step: others are not to wait for all of a long one."""


class Language(Written, Protocol):
    """The pieces that a model reads and says."""

    @property
    def ends(self) -> Sequence[int]:
        """Pieces that end a text."""

    def bytes_of(self, piece: int) -> bytes:
        """What a piece stands for."""

    def decoding(self, prompt: Sequence[int]) -> Decoding:
        """What makes text of the pieces that follow a prompt."""


class Generation:
    """One text that is going on. `advance` takes it further; `take` says what came since. What it
    remembers can be `set_aside`.

    The last `echoed` pieces of the prompt are told too, where the settings ask for that: those are
    read one by one, since each is as likely as the model says when it has read those before it.

    Raises:
        UsageError: the prompt has more pieces than fit into `context`, or the schema or the bias
            cannot be.
        LeptonError: the package for JSON-shaped answers is missing.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        language: Language,
        sampling: Sampling,
        *,
        context: int,
        vocabulary: int,
        echoed: int = 0,
    ) -> None:
        if len(prompt) >= context:
            raise TooLong.of(len(prompt), context)
        sampling.check_bias(vocabulary)
        self.ending: Ending | None = None
        self.error: LeptonError | None = None
        self.pieces: list[int] = []
        self.cache: Any = None
        self.bytes = 0
        """What its cache takes."""
        self.is_reading = True
        """Whether it has not read all of its prompt."""
        self._due = list(prompt)
        self._prompt = list(prompt)
        self._ends = frozenset(language.ends)
        self._vocabulary = vocabulary
        self._most = min(sampling.max_tokens, context - len(prompt))
        self._shape = Shape.of(sampling, language, language.ends)
        self._chooser = Chooser(sampling, prompt, self._shape)
        self._telling = Telling(language.decoding(prompt), sampling.stop)
        self._told = ""
        self._likelihoods: Likelihoods | None = None
        if sampling.logprobs is not None:
            self._likelihoods = Likelihoods(sampling.logprobs, language.bytes_of)
        self._heard = len(prompt)
        """The first pieces of the prompt, of which nothing is left to tell."""
        if sampling.echo and self._likelihoods is not None:
            self._heard -= echoed
            self._letters_of = language.decoding([])
            if not self._heard:
                self._hear_prompt(None)
        self._began = self._first = 0.0

    @property
    def over(self) -> bool:
        return self.ending is not None or self.error is not None

    @property
    def due(self) -> Sequence[int]:
        """The pieces that the model reads next."""
        return self._due[: AT_ONCE if self._heard == len(self._prompt) else 1]

    def begin(self, decoder: Decoder) -> None:
        """Make ready for the first step; once."""
        if self.cache is None:
            self.cache = decoder.new_cache()
            self._began = self._began or time.perf_counter()

    def set_aside(self) -> int:
        """Forget what it remembers, and return how many bytes that were: with its next step it
        reads anew all that was said."""
        self._due = [*self._prompt, *self.pieces]
        self.is_reading = True
        self.cache, freed, self.bytes = None, self.bytes, 0
        return freed

    def read(self, logits: Tensor) -> None:
        """The model has read `due`; logits float [vocabulary] are of what follows.

        Raises:
            LeptonError: they are no numbers, or nothing that follows has the shape.
        """
        self._due = self._due[len(self.due) :]
        if self._due:
            # Of one that was set aside, some were told before.
            if len(self._prompt) + len(self.pieces) - len(self._due) == self._heard:
                self._hear_prompt(logits)
            return
        self.is_reading = False
        # The greatest of them tells it at once, unless one of them is no number.
        if not (math.isfinite(logits.max()) or logits.isfinite().any()):
            raise LeptonError(
                "the model's output is not a number", hint="Train it again, or try a checkpoint."
            )
        self._first = self._first or time.perf_counter()
        if not self._most:
            self._end(LENGTH)
            return
        piece = self._chooser.choose(logits[: self._vocabulary])
        if piece in self._ends:
            self._end(STOP)
            return
        if self._likelihoods is not None:
            before = len(self._told) + self._telling.held
            self._likelihoods.hear(piece, logits, self._vocabulary, before)
        self.pieces.append(piece)
        self._told += self._telling.hear(piece)
        self._due = [piece]
        if self._telling.stopped or (self._shape is not None and self._shape.done):
            self._end(STOP)
        elif len(self.pieces) == self._most:
            self._end(LENGTH)

    def _hear_prompt(self, logits: Tensor | None) -> None:
        """Of what follows what is read, the logits; the next piece of the prompt is what came."""
        assert self._likelihoods is not None
        piece = self._prompt[self._heard]
        letters = len(self._letters_of.step(piece))
        self._likelihoods.read(piece, logits, self._vocabulary, letters)
        self._heard += 1

    def take(self) -> Piece | None:
        """What has come since it was last asked for; None where nothing has."""
        if self._likelihoods is not None:
            return self._take_with(self._likelihoods)
        told, self._told = self._told, ""
        return Piece(told) if told else None

    def _take_with(self, likelihoods: Likelihoods) -> Piece | None:
        if self._heard < len(self._prompt):
            return None
        told, self._told = self._told, ""
        tokens = [*likelihoods.of_prompt(), *likelihoods.told(len(told))]
        if self.over and not self._telling.stopped:
            tokens += likelihoods.rest()
        return Piece(told, None, tokens) if told or tokens else None

    def _end(self, reason: str) -> None:
        self._told += self._telling.end()
        if self._telling.stopped:
            reason = STOP
        self.cache, self.bytes = None, 0
        self.ending = Ending(
            reason,
            len(self._prompt),
            len(self.pieces),
            self._first - self._began,
            time.perf_counter() - self._first,
        )


def advance(decoder: Decoder, running: Sequence[Generation]) -> None:
    """Take texts one step further, all in one pass of the model.

    Several at once are those whose prompts are read: each has one piece due. What is wrong with one
    of them is its `error`, and no other's.
    """
    for each in running:
        each.begin(decoder)
    with torch.inference_mode():
        tokens = torch.tensor([each.due for each in running], device=_device(decoder))
        logits = decoder.next_logits(tokens, [each.cache for each in running]).float().cpu()
    for each, found in zip(running, logits, strict=True):
        each.bytes = decoder.held(each.cache)
        try:
            each.read(found)
        except LeptonError as error:
            each.error = error


def finish(decoder: Decoder, generations: Sequence[Generation]) -> None:
    """Take texts to their ends, together.

    Raises:
        LeptonError: one of them cannot go on.
    """
    for each in generations:
        while each.is_reading and not each.over:
            advance(decoder, [each])
    while running := [each for each in generations if not each.over]:
        advance(decoder, running)
    for each in generations:
        if each.error is not None:
            raise each.error


def told(decoder: Decoder, generation: Generation) -> Iterator[str]:
    """The text of one answer as it comes, until it ends.

    Raises:
        LeptonError: it cannot go on.
    """
    while not generation.over:
        advance(decoder, [generation])
        if piece := generation.take():
            yield piece.text
    if generation.error is not None:
        raise generation.error


def _device(decoder: Any) -> torch.device:
    device: torch.device = next(decoder.parameters()).device
    return device
