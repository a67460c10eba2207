"""A word that a person gives for a source: a path, or the name of a built-in data set."""

from __future__ import annotations

from core.data.builtin.datasets import BUILTIN
from core.errors import meant
from core.workspace import written_path


def is_builtin(source: str) -> bool:
    """Whether it names a built-in data set; a file or folder of that name goes first."""
    return source in BUILTIN and not written_path(source).exists()


def builtin_meant(source: str) -> str:
    """The hint for a word that is no path but nearly a built-in data set's name; else empty."""
    path = written_path(source)
    if path.exists() or path.suffix or path.name != source:
        return ""
    return meant(source, BUILTIN)


def whole_source(source: str) -> str:
    """The source as a process in another folder must be told it; the name of a built-in data set,
    or nearly one, is no path."""
    a_word = is_builtin(source) or builtin_meant(source)
    return source if "://" in source or a_word else str(written_path(source).absolute())
