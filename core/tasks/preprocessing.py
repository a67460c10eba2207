"""How a pretrained model reads: what a task takes over from it instead of learning it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from core.errors import UsageError, nearest
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
class Seq2SeqReading:
    """A model that hears `seconds` of sound at `rate` and writes up to `most` pieces, its prefix
    and the end among them.

    `tokenizer` is its tokenizer.json, `end` the piece that closes a transcript; empty: its pieces
    are learnt. It writes after `start`, the piece of a language where it knows several
    (`languages`, by their code), and `after`. It never says what is `silent`, and does not begin
    with what is `silent_first`.
    """

    rate: int
    seconds: int
    most: int
    tokenizer: str = ""
    end: int = 0
    start: tuple[int, ...] = ()
    languages: Mapping[str, int] = field(default_factory=dict)
    language: str = ""
    """The language that is meant where a person names none."""
    after: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    silent_first: tuple[int, ...] = ()

    def prefix(self, language: str) -> tuple[int, ...]:
        """The pieces before a transcript in a language; "": the one that is meant.

        Raises:
            UsageError: it knows no such language, or does not tell languages apart.
        """
        if not self.languages:
            if language:
                raise UsageError(
                    f"language={language} cannot be: the model does not tell languages apart"
                )
            return (*self.start, *self.after)
        wanted = language or self.language
        if wanted not in self.languages:
            raise UsageError(
                f"language={wanted} cannot be: the pretrained model does not know it",
                hint=nearest(wanted, sorted(self.languages)),
            )
        return (*self.start, self.languages[wanted], *self.after)

    def length(self, asked: int) -> int:
        """The seconds that it hears at once; 0: as many as the training sounds have.

        Raises:
            UsageError: it has learnt to hear others.
        """
        if not self.tokenizer:
            return asked
        if asked not in (0, self.seconds):
            raise UsageError(
                f"seconds={asked} cannot be: the pretrained model hears {self.seconds} at once"
            )
        return self.seconds


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


Reading: TypeAlias = TextReading | ImageReading | SoundReading | Seq2SeqReading | SeriesReading
