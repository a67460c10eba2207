"""Weights that are made of training rows, before the first step."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class FirstLook(nn.Module):
    """A module that makes some of its first weights of training examples.

    Whoever builds it to be trained shows it a few, once. A module that is loaded or gone on from
    has those weights among its others and is shown nothing.
    """

    examples: ClassVar[int]
    """How many it wants to see, where there are as many."""

    @abstractmethod
    def look(self, *inputs: Tensor) -> None:
        """See the examples, as `forward` gets them, on the CPU; no random number is drawn."""
