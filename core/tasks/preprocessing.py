"""How a pretrained model reads: what a task takes over from it instead of learning it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from core.errors import UsageError
from core.generation.chat import ChatTemplate


@dataclass(frozen=True)
class TextReading:
    """`tokenizer` is its tokenizer.json, `most` the pieces that it can read at once.

    `pad` fills short texts up; `end` is the piece between two texts. `start` are the pieces before
    a text that is to go on (None: the end of another), and with each of `ends` a model ends its
    answer. `chat` says how it was taught to write conversations, if it was.
    """

    tokenizer: str
    most: int
    pad: int = 0
    end: int = 0
    start: tuple[int, ...] | None = None
    ends: tuple[int, ...] = ()
    chat: ChatTemplate | None = None

    def length(self, asked: int, usual: int) -> int:
        """The pieces of a text that are read: as asked (0: as is usual), as far as it can.

        Raises:
            UsageError: more are asked for than it can read.
        """
        if asked > self.most:
            raise UsageError(
                f"length={asked} cannot be: the pretrained model reads {self.most} pieces at most"
            )
        return asked or min(usual, self.most)


@dataclass(frozen=True)
class ImageReading:
    """`mean` and `std` of each channel are in units of the full range (0 to 1).

    `size` is height and width, None where it reads any; a `fixed` one cannot be another.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None = None
    fixed: bool = False

    def side(self, asked: int) -> tuple[int, int] | None:
        """Height and width to bring images to; None: as the training images are.

        Raises:
            UsageError: another size is asked for, and it reads only one.
        """
        if asked and self.fixed and self.size != (asked, asked):
            assert self.size is not None
            raise UsageError(
                f"image_size={asked} cannot be: the pretrained model reads"
                f" {self.size[1]} x {self.size[0]} pixels"
            )
        return (asked, asked) if asked else self.size


@dataclass(frozen=True)
class SoundReading:
    """`rate` is the samples a second that it reads; with `level` each sound has mean 0 and
    deviation 1.

    `letters` is what each of its outputs says, in lower case, where it says any: `blank` is that of
    CTC and `strange` that of all letters it does not know.
    """

    rate: int
    level: bool
    letters: tuple[str, ...] = ()
    blank: int = 0
    strange: int = 0


@dataclass(frozen=True)
class SeriesReading:
    """`context` is how many steps of the past it reads, no fewer and no more."""

    context: int

    def steps(self, asked: int) -> int:
        """The steps of the past that are read.

        Raises:
            UsageError: another number is asked for.
        """
        if asked not in (0, self.context):
            raise UsageError(
                f"context={asked} cannot be: the pretrained model reads {self.context} steps"
            )
        return self.context


Reading: TypeAlias = TextReading | ImageReading | SoundReading | SeriesReading
