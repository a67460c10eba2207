"""What data and numbers look like to a person: pure functions from values to one line of text."""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.cells import cell_len, get_character_cell_size

from core.generation.pieces import STOP, Ending

ELLIPSIS = "…"
BARS = " ▁▂▃▄▅▆▇█"
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def plain(value: str) -> str:
    """One line that is safe to draw, whatever the data holds.

    A line break is shown as ⏎, a tab as a space, another control character as its picture (␛ for
    escape), and anything that would turn or hide the text around it as �. What only joins or tints
    emoji is dropped, so that every terminal agrees on the width.
    """
    if value.isascii() and value.isprintable():
        return value
    return "".join(map(_safe, value.replace("\r\n", "\n")))


def plain_lines(value: str) -> str:
    """Text that is safe to draw, with its line breaks."""
    return "\n".join(map(plain, value.splitlines()))


def _safe(character: str) -> str:
    if character == "\t":
        return " "
    if character in "\n\u2028\u2029":
        return "⏎"
    if character in _JOINERS:
        return ""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "�" if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn"} else character


def clip(value: str, width: int, *, tail: bool = False) -> str:
    """The text cut to `width` terminal cells, with … where something is left out.

    With `tail` its end is kept, as what tells one path from another.
    """
    if width <= 0:
        return ""
    # A long cell is never measured whole.
    if len(value) <= width * 4 and cell_len(value) <= width:
        return value
    kept, used = [], 0
    for character in reversed(value) if tail else value:
        used += get_character_cell_size(character)
        if used > width - 1:
            break
        kept.append(character)
    return ELLIPSIS + "".join(reversed(kept)) if tail else "".join(kept) + ELLIPSIS


def around(text: str, word: str, width: int) -> str:
    """So many letters of a text on one line, in which a word is that it holds in any case."""
    line = " ".join(text.split())
    at = max(0, line.casefold().find(word.casefold()) - width // 4)
    return (ELLIPSIS if at else "") + line[at : at + width]


def fit(value: str, width: int, *, right: bool = False) -> str:
    """The text clipped and padded to exactly `width` cells, against the left or the right edge."""
    clipped = clip(value, width)
    padding = " " * (width - cell_len(clipped))
    return padding + clipped if right else clipped + padding


def human_count(value: int) -> str:
    """1234567 -> 1,234,567."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 1,234 rows."""
    return f"{human_count(value)} {one if value == 1 else many or one + 's'}"


def human_number(value: float | None, digits: int = 4) -> str:
    """A metric in a few significant digits: 0.03127, 12.5, 1.2e-05, 3,210,000; – for none."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(float(f"{value:.{digits}g}"))  # as it will be shown: 9999.7 needs five digits
    if size >= 10 ** max(digits, 1):
        return f"{value:,.0f}" if size < 1e12 else f"{value:.{digits - 1}e}"
    if 0 < size < 1e-4:
        return f"{value:.{max(digits - 3, 0)}e}"
    return f"{value:.{digits}g}"


def reach(interval: Sequence[float] | None) -> str:
    """An interval in a few digits; – for none."""
    if interval is None:
        return "–"
    low, high = (human_number(edge, 3) for edge in interval)
    return f"{low} – {high}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.973 -> 97.3 %; – when there is none."""
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share * 100:.{decimals}f} %"


def human_bytes(amount: float) -> str:
    """Bytes in steps of 1000, as disks are sold: 1234 -> 1.2 kB."""
    amount = float(amount)
    if amount < 1000:
        return f"{amount:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.1f} {unit}" if amount < 99.95 else f"{amount:.0f} {unit}"


def human_duration(seconds: float | None) -> str:
    """Time passed, in the two units that matter: 0.4 s, 42 s, 3 min 05 s, 2 h 13 min, 4 d 6 h."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def relative_time(then: float | str, now: float | None = None) -> str:
    """How long ago a moment was; a date when it is more than a month.

    `then` is in unix seconds or ISO 8601 (UTC where it names no zone), `now` in unix seconds.
    """
    moment = _unix(then) if isinstance(then, str) else then
    passed = (time.time() if now is None else now) - moment
    if passed < 10:
        return "just now"
    if passed < 60:
        return f"{passed:.0f} s ago"
    for limit, span, unit in ((3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d")):
        if passed < limit:
            return f"{int(passed // span)} {unit} ago"
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def _unix(written: str) -> float:
    moment = datetime.fromisoformat(written)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def sparkline(counts: Sequence[int], cells: int = 10) -> str:
    """A histogram in one line of block characters, several bins in a cell where there are more."""
    wide = max(len(counts) // cells, 1)
    heights = [sum(counts[i : i + wide]) for i in range(0, len(counts), wide)]
    most = max(heights, default=0)
    return "".join(BARS[-(-height * 8 // most)] for height in heights) if most else ""


def spark(values: Sequence[float], cells: int = 8) -> str:
    """The shape of a curve in one line of block characters, from its lowest to its highest value.

    A blank is a value that is not finite.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    shown = [values[at * len(values) // cells] for at in range(cells)]
    return "".join(
        BARS[1 + round((value - low) / (high - low) * 7) if high > low else 4]
        if math.isfinite(value)
        else " "
        for value in (shown if len(values) > cells else values)
    )


_STATES = {
    "queued": "…",
    "running": "●",
    "paused": "‖",
    "finished": "✓",
    "failed": "✗",
    "stopped": "■",
    "interrupted": "⚡",
}


def state_badge(state: str) -> str:
    """The state of a run as a glyph and a word, so that colour is never needed: ● running."""
    return f"{_STATES.get(state, '?')} {plain(state)}"


def setting_text(value: object) -> str:
    """One setting as a person would write it."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(map(setting_text, value)) or "none"
    return plain(str(value))


def speeds(ending: Ending | None) -> str:
    """How quick an answer's prompt was read and its text said; None: it was stopped."""
    if ending is None:
        return "stopped"
    prefill = human_number(ending.prefill_rate)
    # From the first piece on: of one alone there is no speed.
    decode = f" at {human_number(ending.decode_rate)}/s" if ending.new_tokens > 1 else ""
    cut = "" if ending.reason == STOP else "; the answer is cut: its length is all used"
    return (
        f"{ending.prompt_tokens:,} tokens read at {prefill}/s,"
        f" {ending.new_tokens:,} said{decode}{cut}"
    )


NOTHING_SAID = "nothing said"
SHOWN_BOXES = 3
SHOWN_VALUES = 6


def answer_words(output: object) -> str:
    """A model's answer in a few words, whatever the kind of problem (`Task.answers`)."""
    match output:
        case {"label": label, "score": score}:
            return f"{plain(label)}  {percent(score)}"
        case {"labels": labels}:
            return ", ".join(map(plain, labels)) or "none of the labels"
        case {"text": text}:
            return plain(text) if text.strip() else NOTHING_SAID
        case {"boxes": []}:
            return "nothing found"
        case {"boxes": boxes}:
            told = [
                plain(each["label"]) + (f" {percent(each['score'])}" if "score" in each else "")
                for each in boxes
            ]
            return counted(len(boxes), "box", "boxes") + ": " + _first(told, SHOWN_BOXES)
        case {"values": values}:
            return _first([human_number(value) for value in values], SHOWN_VALUES)
        case int() | float():
            return human_number(output)
    return plain(str(output))


def _first(words: list[str], most: int) -> str:
    return ", ".join([*words[:most], *(["…"] if len(words) > most else [])])
