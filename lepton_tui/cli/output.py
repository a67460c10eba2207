"""What commands print: facts on standard output, narration on standard error, plain text both.

Text from data is never markup here, and it cannot move the cursor: control characters are shown as
their pictures. Colour is only ever added in a terminal, and never carries a meaning of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from core.errors import UsageError
from screens.text import ELLIPSIS, clip, fit, human_number, plain

BOLD, DIM, RED = "1", "2", "31"
GAP = "  "
NARROWEST = 6
LONGEST = 2000
IN_PIPE = 80
"""Columns of free text in a pipe, which no terminal binds."""
NAMED = 8
LISTED = 100
"""Columns of a data set that a terminal lists, one to a line."""
T = TypeVar("T")
_CUT = re.compile(rf"(?<![^\s(])[-+]?[\d.,]*\d[\d.,]*{ELLIPSIS}$")
_NUMBER = re.compile(r"[-+]?[\d,.]+(e[-+]?\d+)?( %)?|[-+]?∞|nan|–|")


def in_colour(stream: TextIO) -> bool:
    """Whether colours may be written there: a terminal that has them, and no `NO_COLOR`."""
    return in_terminal(stream) and not os.environ.get("NO_COLOR")


def in_terminal(stream: TextIO) -> bool:
    """Whether control codes are understood there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """The text in a style where there is colour, else the text."""
    return f"\x1b[{style}m{text}\x1b[0m" if in_colour(stream or sys.stdout) else text


def width() -> int:
    """Columns of the terminal, 80 in a pipe."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def in_pipe() -> bool:
    """Whether no terminal's width binds the output, and nobody has named one in `COLUMNS`."""
    return not sys.stdout.isatty() and not os.environ.get("COLUMNS")


def note(text: str = "") -> None:
    """Tell the person something, beside the output: on standard error."""
    print("\n".join(map(plain, text.splitlines())), file=sys.stderr, flush=True)


def put(text: str = "") -> None:
    """A line of the output; text in it that came from data has been through `plain`."""
    print(text)


def put_json(document: Any) -> None:
    """The one JSON document of a command."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(json.dumps(jsonable(document), indent=2, ensure_ascii=ascii_only, allow_nan=False))


def jsonable(value: Any) -> Any:
    """The value in JSON's own types: no number is null, bytes are told by their count."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value)}
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Iterable):
        return [jsonable(item) for item in value]
    if hasattr(value, "item"):
        return jsonable(value.item())
    return float(value) if hasattr(value, "__float__") else str(value)


def cell(value: Any, most: int | None = LONGEST) -> str:
    """One value of a table as a line of text, its first `most` characters."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return human_number(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    # A cell of a megabyte is not gone through for the fifty characters that can be seen.
    return plain(str(value)[:most])


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    indent: int = 0,
    most: int | None = None,
    whole: Collection[str] = (),
    tails: Collection[str] = (),
    drops: Sequence[str] | None = None,
    keys: Sequence[str] = (),
    beyond: Sequence[str] = (),
) -> None:
    """Aligned columns that fit the terminal. Numbers stand right.

    The widest columns give way first; numbers and those named in `whole` do not, since half a
    number or half a name is a wrong one. Those in `tails` lose their beginning, not their end.
    Where a terminal has no room for all of those, the columns of `drops` leave it, the first one
    first (from the right, unless named), and a note says so; a pipe gets them all. With `keys`
    those that left stand in a table of their own beneath, beside the columns named there. `beyond`
    are columns that nobody fetched, as there is no room for so many (`columns_at_most`).
    """
    heads, rows = list(heads), [list(row) for row in rows]
    most_of = [None if head in whole else LONGEST for head in heads]
    texts = [list(map(cell, row, most_of)) for row in rows]
    right = [
        bool(rows) and all(_is_number(row[at]) or row[at] is None for row in rows)
        for at in range(len(heads))
    ]
    columns = [[plain(head), *(row[at] for row in texts)] for at, head in enumerate(heads)]
    gives = [
        head not in whole and not all(map(_NUMBER.fullmatch, column[1:]))
        for head, column in zip(heads, columns, strict=True)
    ]
    wide = [_width(column) for column in columns]
    gone: list[int] = []
    if most is None and in_pipe():
        widths = [min(each, IN_PIPE) if gives[at] else each for at, each in enumerate(wide)]
    else:
        room = (most or width()) - indent
        leave = [*map(heads.index, drops)] if drops is not None else [*range(len(heads) - 1, 0, -1)]
        widths, gone = _fitted(wide, room, gives, leave)
    shown = sorted({*range(len(heads))} - {*gone})
    for line in range(len(rows) + 1):
        cells = [
            _placed(columns[at][line], widths[at], right=right[at], tail=heads[at] in tails)
            for at in shown
        ]
        drawn = (" " * indent + GAP.join(cells)).rstrip()
        put(drawn if line else styled(drawn, BOLD))
    if gone and keys:
        put()
        again = [*map(heads.index, keys), *sorted(gone)]
        rest = [[row[at] for at in again] for row in rows]
        left = [heads[at] for at in gone[:-1]]
        table([heads[at] for at in again], rest, indent=indent, whole=whole, drops=left, keys=keys)
    elif gone or beyond:
        names = [plain(name) for name in (*(heads[at] for at in sorted(gone)), *beyond)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        named = ", ".join(names[:NAMED]) + more
        note(f"No room for {named}: a wider terminal shows all, and so does --json.")


def columns_at_most() -> int | None:
    """So many columns may fit the terminal, with a sign in each; None in a pipe, which has all."""
    return None if in_pipe() else width() // (1 + len(GAP)) + 1


def of_columns(names: Sequence[T]) -> Sequence[T]:
    """As many of the columns as a terminal lists one to a line, with a word of the others.

    A pipe gets them all.
    """
    if in_pipe() or len(names) <= LISTED:
        return names
    note(
        f"The first {LISTED} of {len(names):,} columns: a pipe (| less) gets all, and so does"
        " --json."
    )
    return names[:LISTED]


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed; `yes` has answered already.

    Raises:
        UsageError: there is nobody to ask.
        KeyboardInterrupt: the answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was removed", hint="In a script, say so with --yes.")
    sys.stderr.write(f"{plain(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise KeyboardInterrupt


def facts(pairs: Iterable[tuple[str, Any]], *, indent: int = 0) -> None:
    """Names and values beneath one another; a pair whose value is None is left out.

    A value that is wider than the terminal goes on below itself; a path stays in one piece.
    """
    shown = [(name, cell(value, None)) for name, value in pairs if value is not None]
    longest = max((len(name) for name, _ in shown), default=0)
    room = max(width() - indent - longest - len(GAP), NARROWEST)
    for name, value in shown:
        lines = [value] if in_pipe() else wrapped(value, room)
        for at, line in enumerate(lines):
            put(" " * indent + fit("" if at else name, longest) + GAP + line)


def bar(share: float, cells: int = 20) -> str:
    """A share from 0 to 1 as a row of blocks, in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    part = "▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else ""
    return "█" * (eighths // 8) + part


def wrapped(text: str, room: int) -> list[str]:
    """The lines of a text, parted between words; a longer word stays whole."""
    return (
        textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        if len(text) > room
        else [text]
    )


def _width(column: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, column))


def _fitted(
    wide: Sequence[int], room: int, gives: Sequence[bool], leave: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The width of each column in so much room, and those of `leave` that have to, in order."""
    widths, gone = list(wide), []
    least = [min(each, NARROWEST) if gives[at] else each for at, each in enumerate(wide)]
    needed = sum(least) + len(GAP) * (len(wide) - 1)
    for at in leave:
        if needed <= room:
            break
        gone.append(at)
        needed -= least[at] + len(GAP)
    left = {*range(len(wide))} - {*gone}
    over = sum(wide[at] for at in left) + len(GAP) * (len(left) - 1) - room
    for _ in range(over):
        size, widest = max((widths[at] if gives[at] else 0, -at) for at in left)
        if size <= NARROWEST:
            break
        widths[-widest] -= 1
    return widths, gone


def _placed(text: str, room: int, *, right: bool, tail: bool) -> str:
    """A text in its column; where it is cut, it is not in the middle of a number."""
    clipped = clip(text, room, tail=tail)
    if clipped != text and not tail and (number := _CUT.search(clipped)) and number.start():
        clipped = clipped[: number.start()].rstrip() + ELLIPSIS
    return fit(clipped, room, right=right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
