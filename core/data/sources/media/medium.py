"""Pictures and sounds: how their files are known, and what is kept of each beside its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.sources.media.pictures import image_fault
from core.data.sources.media.sounds import read_sound
from core.data.sources.signatures import IMAGE_SUFFIXES, SOUND_SUFFIXES, image_kind, sound_kind

Facts = tuple[Any, ...]


@dataclass(frozen=True)
class Medium:
    """One kind of media: the column of its bytes, its files, and what a look at the bytes tells.

    `look` gives the values of the columns `tells`, or in words what is wrong with the bytes.
    """

    column: str
    many: str
    suffixes: frozenset[str]
    kind: Callable[[bytes], str | None]
    look: Callable[[bytes], Facts | str]
    tells: tuple[tuple[str, str], ...] = ()

    def holds_by_name(self, path: str) -> bool:
        return os.path.splitext(path)[1].lower() in self.suffixes  # noqa: PTH122 - of very many

    def holds(self, path: str) -> bool:
        """Whether a file is one of these by its name, or by its first bytes."""
        if self.holds_by_name(path):
            return True
        try:
            with Path(path).open("rb") as file:
                return self.kind(file.read(16)) is not None
        except OSError:
            return False


def _look_at_image(content: bytes) -> Facts | str:
    return image_fault(content) or ()


def _look_at_sound(content: bytes) -> Facts | str:
    found = read_sound(content)
    return found if isinstance(found, str) else (found.seconds, found.rate, found.channels)


IMAGE = Medium("image", "images", IMAGE_SUFFIXES, image_kind, _look_at_image)
SOUND = Medium(
    "audio",
    "sounds",
    SOUND_SUFFIXES,
    sound_kind,
    _look_at_sound,
    (("seconds", "double"), ("rate", "int64"), ("channels", "int64")),
)
