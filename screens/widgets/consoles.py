"""Charts in ASCII, for consoles and other terminals whose font has no braille."""

from __future__ import annotations

import locale
import os
from collections.abc import Sequence

from screens.widgets.braille import BLANK, DOTS_DOWN

VARIABLE = "LEPTON_ASCII"
_WITHOUT = frozenset({"linux", "dumb", "vt100", "vt220"})
_DRAWN = {"│": "|", "┤": "+", "└": "+", "─": "-", "┬": "+", "…": "~", "–": "-"}
_MARKS = dict(zip("●○▲△■□", "o*^x#%", strict=True))
_ROWS = (0x01 | 0x08, 0x02 | 0x10, 0x04 | 0x20, 0x40 | 0x80)
# Which of the four rows of dots are lit, as what looks most like it.
_STROKES = ("", "'", "-", "'", "-", ":", "-", "|", ".", ":", ":", "|", ".", "|", "|", "|")


def without_braille() -> bool:
    """Whether this terminal shows no braille: it is a console, or a person said so."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return told not in ("", "0")
    unicode = locale.getpreferredencoding(do_setlocale=False).lower().replace("-", "") == "utf8"
    return os.environ.get("TERM") in _WITHOUT or not unicode


def in_ascii(characters: Sequence[str]) -> list[str]:
    """A row of a chart without braille, marks and lines of boxes; words stay as they are."""
    return [_plain(character) for character in characters]


def _plain(character: str) -> str:
    if len(character) == 1 and BLANK < character <= "\u28ff":
        bits = ord(character) - ord(BLANK)
        return _STROKES[sum(bool(bits & _ROWS[row]) << row for row in range(DOTS_DOWN))]
    return _MARKS.get(character) or _DRAWN.get(character, character)
