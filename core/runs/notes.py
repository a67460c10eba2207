"""What a person wrote about a run: a note and tags, in `notes.json` of its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core import atomic
from core.errors import LeptonError, UsageError
from core.flock import alone

NAME = "notes.json"
_TAG = re.compile(r"[\w.:+-]{1,40}")


@dataclass(frozen=True)
class Notes:
    """`note` is any text, `tags` are single words without #, in the order they were given."""

    note: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def written(cls, line: str) -> Notes:
        """A line in which words that begin with # are tags; a single - is nothing at all.

        Raises:
            UsageError: a tag has letters that it cannot have.
        """
        words = line.split()
        tags = [valid_tag(word) for word in words if word.startswith("#") and word != "#"]
        note = " ".join(word for word in words if not word.startswith("#") or word == "#")
        return cls("" if note == "-" else note, tuple(dict.fromkeys(tags)))

    def __str__(self) -> str:
        return " ".join([*([self.note] if self.note else []), *(f"#{tag}" for tag in self.tags)])

    def tagged(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Notes:
        """With some tags more and some fewer; a # before one does not matter.

        Raises:
            UsageError: a tag is no single word, or one to be removed is not there.
        """
        gone = [valid_tag(tag) for tag in remove]
        for tag in gone:
            if tag not in self.tags:
                there = ", ".join(self.tags) or "none"
                raise UsageError(f'there is no tag "{tag}" on it', hint=f"There are: {there}.")
        tags = dict.fromkeys([*self.tags, *map(valid_tag, add)])
        return replace(self, tags=tuple(tag for tag in tags if tag not in gone))


def valid_tag(written: str) -> str:
    """A tag without its #.

    Raises:
        UsageError: it is no single word of letters, digits and . : + - _
    """
    tag = written.strip().removeprefix("#")
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f'"{written}" is no tag', hint="A tag is one word of at most 40 letters, such as best."
        )
    return tag


def read_notes(folder: Path) -> Notes:
    """What was written about the run in a folder; nothing when its file is missing or damaged."""
    try:
        kept = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Notes(str(kept["note"]), tuple(map(str, kept["tags"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Notes()


def write_notes(folder: Path, change: Callable[[Notes], Notes]) -> Notes:
    """Change what is written about a run; two who do so at once both get their will.

    Raises:
        LeptonError: the folder cannot be written.
    """
    try:
        with alone(folder, None):
            notes = change(read_notes(folder))
            atomic.write_json(folder / NAME, asdict(notes))
            return notes
    except OSError as error:
        raise LeptonError(
            f"the note cannot be kept: {error.strerror}",
            where=str(folder),
            hint="Make room on the disk or mend the folder's permissions.",
        ) from error
