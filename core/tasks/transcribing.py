"""How models write down what they hear: the part of speech recognition that hangs on the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.tasks.base import Array, Batch

    Sounds: TypeAlias = tuple[Tensor, Tensor]
    """Samples float [n, samples] from -1 to 1, padded, and how many each has, int64 [n]."""

SURE = 0.9
"""How likely the baseline takes what it says to be."""


class Transcribing(ABC):
    """What the targets are, and how a model's outputs become transcripts."""

    kind: ClassVar[str]
    """The kind of shape of the models that write so."""

    @property
    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """What an architecture needs to know of it, with "outputs"."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """How many sounds a model judges or answers in one pass."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Its part of the codec, as plain JSON values."""

    @abstractmethod
    def encode(self, text: str) -> Array:
        """The target of a transcript, int32 [codes].

        Raises:
            LeptonError: it is longer than the model can write.
        """

    @abstractmethod
    def decode(self, codes: Iterable[float]) -> str:
        """What codes say; those below 0 are passed over."""

    @abstractmethod
    def arguments(self, batch: Batch) -> tuple[Tensor, ...]:
        """What a model is given beside the sounds to learn by the targets of a batch."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Mean over the sounds of the loss for each code of the target, a scalar."""

    @abstractmethod
    def naive(self, text: str, batch: Batch) -> Any:
        """The outputs of a model that says this, whatever it hears."""

    @abstractmethod
    def keep(self, outputs: Any) -> Tensor:
        """The codes that outputs say, float [n, most], then -1."""

    @abstractmethod
    def said(self, module: nn.Module, sounds: Sounds, outputs: Any = None) -> Tensor:
        """The codes that a model says to sounds of unknown transcript, as `keep` has them.

        `outputs` are those of a pass with the targets, where there was one.
        """
