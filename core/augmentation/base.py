"""What an augmentation is: a frozen dataclass that changes a batch of examples at random."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from core.settings import Configured, setting, settings_of

if TYPE_CHECKING:
    from torch import Tensor

    from core.augmentation.chance import Chance

Batch: TypeAlias = "dict[str, Tensor]"

IMAGE, TOKENS, AUDIO, TABLE = "image", "tokens", "audio", "table"
MARKS = "marks"
"""Under this a batch of texts has the tokens that are none of a text's own, if there are any."""
KINDS = {IMAGE: "images", TOKENS: "texts", AUDIO: "sounds", TABLE: "tables"}
"""The kinds of inputs, as a task's shape calls them, and what a person calls them."""


def part(default: float) -> Any:
    """The setting that every augmentation has: how many of the examples it changes."""
    return setting("The part of the examples that it changes", default, least=0, most=1)


@dataclass(frozen=True)
class Augmentation(Configured):
    """One augmentation. Its first setting is the main one, which `name=value` sets.

    A batch holds, by kind: "image", uint8 or float32 [n, channels, height, width] from 0 to 255,
    and perhaps "boxes", float32 [n, k, 4], left, top, right and bottom in its pixels; "tokens",
    int32 [n, longest], padded with zeros, "tokens_length", int [n], and perhaps "marks", the
    tokens, int [m], that are none of a text's own; or "audio", float32 [n, samples] or
    [n, channels, samples] from -1 to 1, or int16, and perhaps "audio_length", int [n], when sounds
    are padded with zeros.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    """The kinds of inputs that it fits."""
    mixes: ClassVar[bool] = False
    """Whether it makes one example of two, with the targets of both."""
    parts_boxes: ClassVar[bool] = False
    """Whether it moves what is in a picture so that a box around it is none any more."""

    @property
    def reorders(self) -> bool:
        """Whether what comes after what is another than before, or not all of it is there."""
        return False

    @abstractmethod
    def apply(self, batch: Batch, chance: Chance) -> Batch:
        """The batch with its examples changed; nothing waits for the device."""

    @property
    def word(self) -> str:
        """How it is written: `rotate`, `rotate=30` or `crop=0.5:ratio=1.5:p=0.8`."""
        changed = {key: f"{value}".removesuffix(".0") for key, value in self.settings().items()}
        first = settings_of(type(self))[0].key
        main = f"={changed.pop(first)}" if first in changed else ""
        return self.name + main + "".join(f":{key}={value}" for key, value in changed.items())
