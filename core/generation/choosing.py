"""Which piece comes next: drawn from a model's logits as the settings say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from core.generation.sampling import Sampling
from core.generation.shape import Shape


class Chooser:
    """Chooses the pieces of one text. Its random numbers are its own: they follow from the seed."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], shape: Shape | None) -> None:
        self._sampling = sampling
        self._shape = shape
        self._said = torch.tensor(sorted(set(prompt)), dtype=torch.int64)
        self._often = Counter[int]()
        """How often the answer has said each piece."""
        self._more: Tensor | None = None
        """What is added to the logits, float [vocabulary]; made when it is first needed."""
        self._adds = bool(
            sampling.logit_bias or sampling.presence_penalty or sampling.frequency_penalty
        )
        self._draw = torch.Generator()
        if sampling.seed < 0:
            self._draw.seed()
        else:
            self._draw.manual_seed(sampling.seed)

    def choose(self, logits: Tensor) -> int:
        """A piece, of logits float [vocabulary]."""
        logits = logits.float().cpu()
        if self._shape is not None:
            logits = logits.masked_fill(~self._shape.allowed(len(logits)), -torch.inf)
        penalty = self._sampling.repetition_penalty
        if penalty != 1:
            logits = logits.clone()
            said = logits[self._said]
            logits[self._said] = torch.where(said < 0, said * penalty, said / penalty)
        if self._adds:
            logits = logits + self._added(len(logits))
        piece = self._drawn(logits) if self._sampling.temperature else int(logits.argmax())
        if self._shape is not None:
            self._shape.take(piece)
        if penalty != 1:
            self._said = torch.cat([self._said[self._said != piece], torch.tensor([piece])])
        if self._more is not None:
            self._hear(piece, self._more)
        return piece

    def _added(self, vocabulary: int) -> Tensor:
        """What single pieces are wanted or not wanted for."""
        if self._more is None:
            self._more = torch.zeros(vocabulary)
            for piece, more in self._sampling.logit_bias.items():
                self._more[piece] = more
        return self._more

    def _hear(self, piece: int, more: Tensor) -> None:
        """It is penalised from now on, as OpenAI does: once for being there, and each time."""
        sampling = self._sampling
        self._often[piece] += 1
        penalty = sampling.presence_penalty + self._often[piece] * sampling.frequency_penalty
        more[piece] = sampling.logit_bias.get(piece, 0.0) - penalty

    def _drawn(self, logits: Tensor) -> int:
        """One of those that are left, in the order in which others leave them out too."""
        sampling = self._sampling
        count = min(sampling.top_k or len(logits), len(logits))
        if count < len(logits) or sampling.top_p < 1:
            logits, which = logits.topk(count)
        else:
            which = torch.arange(len(logits))
        # From the greatest on, for a small temperature would leave the range of numbers.
        chances = ((logits - logits.max()) / max(sampling.temperature, 1e-6)).softmax(0)
        if sampling.top_p < 1:
            # Kept is also the one with which the share is reached.
            before = chances.cumsum(0) - chances
            chances = torch.where(before < max(sampling.top_p, 1e-9), chances, 0.0)
        if sampling.min_p > 0:
            least = sampling.min_p * chances.max()
            chances = torch.where(chances >= least, chances, 0.0)
        return int(which[torch.multinomial(chances, 1, generator=self._draw)])
