"""Errors as a person reads them: what was wrong, where, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")
USAGE = "usage"


class LeptonError(Exception):
    """The work failed: `what` was wrong, `where` (file, line, column), a `hint` to the way out."""

    exit_code = 1
    several: tuple[LeptonError, ...] = ()
    """The errors that this one tells of, where it is `together` of several."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.place(where)
        self.hint = hint
        if hint:
            # Python prints notes under an error that nobody caught, as in a program of the SDK.
            self.add_note(hint)

    def place(self, where: str) -> None:
        """Say where it was; a path that a person knows may take the place of one of ours."""
        self.where = where
        self.args = (f"{self.what} ({where})" if where else self.what,)

    def to_json(self) -> dict[str, str]:
        return {"what": self.what, "where": self.where, "hint": self.hint}

    @classmethod
    def from_json(cls, error: dict[str, str]) -> LeptonError:
        kind = UsageError if error.get("kind") == USAGE else cls
        return kind(error["what"], where=error.get("where", ""), hint=error.get("hint", ""))


class UsageError(LeptonError):
    """The call was wrong: an unknown name, a missing file, a value that cannot be."""

    exit_code = 2

    def to_json(self) -> dict[str, str]:
        # The process that asked must know whose fault it was: its exit code says so.
        return super().to_json() | {"kind": USAGE}


class DiskFullError(LeptonError):
    """The disk is full: the same work succeeds once there is room."""


class DeviceFailedError(LeptonError):
    """A device failed under the work, or is gone.

    `device` is its name where it is to blame, and `said` what was heard of it.
    """

    device: str | None = None
    said = ""


def first_line(error: BaseException) -> str:
    """What a library says that says a lot."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def together(found: Sequence[LeptonError], whose: str = "") -> LeptonError:
    """One error of one or more: a single one as it is, several in a row with their hints.

    `whose` begins the row: "the training settings" have so many mistakes.
    """
    each = list({str(one): one for error in found for one in error.several or (error,)}.values())
    if len(each) == 1:
        return each[0]
    told = "; ".join(f"{one.what}. {one.hint}".rstrip(". ") for one in each)
    error = UsageError(f"{whose} have {len(each)} mistakes: {told}" if whose else told)
    error.several = tuple(each)
    return error


class Mistakes:
    """Gathers what is wrong with a call, so that a person hears of all of it at once."""

    def __init__(self) -> None:
        self.found: list[LeptonError] = []

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What comes of it; None where it is wrong, which is kept."""
        try:
            return work()
        except LeptonError as error:
            self.found.append(error)
            return None


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says of a full disk, and of a person's full share of one."""


def is_full(error: Exception) -> bool:
    """Whether writing failed since the disk is full; libraries may say so in words of their own."""
    return getattr(error, "errno", None) in FULL or "No space left" in str(error)


class Cancelled(LeptonError):  # noqa: N818 - a wish obeyed is no error
    """Somebody asked for the work to end; nothing of it was kept."""


SHORTEST_PART = 4


def meant(name: str, candidates: Iterable[str]) -> str:
    """A hint that names what was probably meant; empty if nobody can tell."""
    names = sorted(set(candidates))
    close = get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    if close:
        return f'Did you mean "{next(n for n in names if n.lower() == close[0])}"?'
    # A part of a long name: speech for automatic-speech-recognition.
    holding = [n for n in names if len(name) >= SHORTEST_PART and name.lower() in n.lower()]
    return f'Did you mean "{holding[0]}"?' if len(holding) == 1 else ""


def nearest(name: str, candidates: Iterable[str], *, shown: int = 8) -> str:
    """A hint that names what was probably meant, or else what there is; empty if nothing is."""
    names = sorted(set(candidates))
    if not names:
        return ""
    if close := meant(name, names):
        return close
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"There are: {', '.join(names[:shown])}{rest}."
