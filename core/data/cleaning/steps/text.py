"""Steps that put text in order, and dates that were written as text."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar, Literal

from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.cleaning.steps.columns import stop_at_unreadable
from core.data.lake.layout import sum_of
from core.data.lake.version import Column
from core.data.lake.view import literal, quoted
from core.errors import UsageError
from core.settings import setting

# All that Unicode calls white space, and the marks of no width that come along with it.
SPACES = "".join(
    chr(code)
    for code in (
        *range(0x9, 0xE),
        *range(0x1C, 0x21),
        *(0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029, 0x202F, 0x205F),
        *(0x2060, 0x3000, 0xFEFF),
    )
)
SPACE = "[" + "".join(f"\\x{{{ord(space):x}}}" for space in SPACES) + "]"
TAG = re.compile(
    r"<(script|style)\b[^>]*>.*?</\1\s*>|<!--.*?-->|<[!?][^>]*>|</?[a-zA-Z][^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
BLOCK = re.compile(
    r"</?(p|div|br|li|ul|ol|tr|td|th|table|h[1-6]|hr|section|article|blockquote|pre)\b[^<>]*>"
    r"|<(script|style)\b[^>]*>.*?</\2\s*>",
    re.DOTALL | re.IGNORECASE,
)
FORMATS = (
    *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y"),
    *("%Y%m%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%d-%b-%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"),
    *("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"),
    *("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
)
# The clock of twelve hours, "1:30 PM" and "1:30:05pm", after a date.
TWELVE = ("%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p")
DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%Y-%m-%d", "%d.%m.%Y", "%m-%d-%Y"),
    *("%d-%m-%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y"),
)
HALVES = tuple(f"{day} {time}" for day in DAYS for time in TWELVE)
KNOWN = (*FORMATS, *HALVES)


@dataclass(frozen=True)
class Trim(Step):
    do: ClassVar[str] = "trim"
    help: ClassVar[str] = "Take white space off both ends of text."

    columns: tuple[str, ...] = setting("Columns to trim; all of text when none is named", ())
    empty: Literal["keep", "missing"] = setting("What becomes of text that is left empty", "keep")

    def run(self, sheet: Sheet, learned: Learned) -> None:
        columns = sheet.texts(self.columns)
        cells = {c.name: f"trim({quoted(c.name)}, {literal(SPACES)})" for c in columns}
        if self.empty == "missing":
            cells = {name: f"nullif({cell}, '')" for name, cell in cells.items()}
        _change(sheet, cells)


@dataclass(frozen=True)
class NormaliseText(Step):
    do: ClassVar[str] = "normalise-text"
    help: ClassVar[str] = "Write text in one way: Unicode, case, HTML, white space."

    columns: tuple[str, ...] = setting("Columns to change; all of text when none is named", ())
    unicode: Literal["keep", "NFC", "NFD", "NFKC", "NFKD"] = setting("The Unicode form", "NFC")
    case: Literal["keep", "lower", "upper"] = setting("Lower or upper case", "keep")
    html: bool = setting("Take HTML tags out and write entities as characters", default=False)
    accents: Literal["keep", "drop"] = setting("Whether letters keep their accents", "keep")
    whitespace: Literal["keep", "trim", "collapse"] = setting(
        "Trim both ends; or also make every gap one space", "collapse"
    )

    def run(self, sheet: Sheet, learned: Learned) -> None:
        columns = sheet.texts(self.columns)
        before = {column.name: sheet.hidden("was") for column in columns}
        sheet.change({was: quoted(name) for name, was in before.items()})
        sheet.touched -= set(before.values())
        for column in columns:
            name = quoted(column.name)
            if self.html:
                sheet.rewrite(column, f"contains({name}, '<') OR contains({name}, '&')", _no_html)
            if self.unicode not in ("keep", "NFC"):
                form = self.unicode
                sheet.rewrite(
                    column,
                    f"regexp_matches({name}, '[^\\x00-\\x7F]')",
                    lambda cells, form=form: [unicodedata.normalize(form, c) for c in cells],  # type: ignore[misc]
                )
        sheet.change(
            {column.name: self._cell(column) for column in columns},
            counts={
                "cells changed": sum_of(
                    f"CAST(({self._cell(column)}) IS DISTINCT FROM {quoted(before[column.name])}"
                    " AS BIGINT)"
                    for column in columns
                )
            },
        )

    def _cell(self, column: Column) -> str:
        cell = quoted(column.name)
        if self.unicode == "NFC":
            cell = f"nfc_normalize({cell})"
        if self.accents == "drop":
            cell = f"strip_accents({cell})"
        if self.case != "keep":
            cell = f"{self.case}({cell})"
        if self.whitespace == "collapse":
            cell = f"regexp_replace({cell}, {literal(SPACE + '+')}, ' ', 'g')"
        if self.whitespace != "keep":
            cell = f"trim({cell}, {literal(SPACES)})"
        return cell


@dataclass(frozen=True)
class ParseDates(Step):
    do: ClassVar[str] = "parse-dates"
    help: ClassVar[str] = "Read dates that were written as text."

    columns: tuple[str, ...] = setting("Columns to read")
    formats: tuple[str, ...] = setting('How they are written, as "%d.%m.%Y"; found out if none', ())
    to: Literal["date", "timestamp"] = setting("Whether to keep the time of day", "date")
    unreadable: Literal["stop", "missing"] = setting(
        "What a value that is no date does: stop the work, or become missing", "stop"
    )

    def learn(self, sheet: Sheet) -> Learned:
        texts = sheet.texts(self.columns)
        if self.formats:
            return {column.name: list(self.formats) for column in texts}
        asked = {
            f"{column.name}\n{form}": f"count({_read(column, form)})"
            for column in texts
            for form in (*KNOWN, *TWELVE)
        }
        found = sheet.ask(asked)
        return {
            column.name: _likely(
                column.name,
                {form: found[f"{column.name}\n{form}"] for form in KNOWN},
                alone=sum(found[f"{column.name}\n{form}"] for form in TWELVE),
            )
            for column in texts
        }

    def run(self, sheet: Sheet, learned: Learned) -> None:
        cells: dict[str, str] = {}
        cut: list[str] = []
        for name, formats in learned.items():
            column = sheet.texts([name])[0]
            listed = ", ".join(map(literal, formats))
            read = f"try_strptime({_trimmed(column)}, [{listed}])"
            cells[name] = f"CAST({read} AS {self.to.upper()})"
            if self.to == "date" and any("%H" in form or "%I" in form for form in formats):
                cut.append(f"CAST(coalesce({read} > {cells[name]}, false) AS BIGINT)")
        lost = {
            name: f"({quoted(name)} IS NOT NULL AND ({cell}) IS NULL)"
            for name, cell in cells.items()
        }
        if self.unreadable == "stop":
            stop_at_unreadable(sheet, lost, "is no date in " + _spoken(learned))
        total = sum_of(f"CAST({condition} AS BIGINT)" for condition in lost.values())
        counts = {"unreadable": total}
        counts |= {"times of day left out": sum_of(cut)} if cut else {}
        sheet.change(cells, counts=counts)
        sheet.did["columns read"] = len(cells)


def _read(column: Column, form: str) -> str:
    """SQL for a value as a format reads it; only what ends as such times do is held to theirs."""
    read = f"try_strptime({_trimmed(column)}, {literal(form)})"
    if "%p" not in form:
        return read
    return f"CASE WHEN right({_trimmed(column)}, 1) IN ('M', 'm') THEN {read} END"


def _likely(name: str, counts: dict[str, int], alone: int) -> list[str]:
    """The formats that the dates of a column are written in, the commonest first.

    `alone` counts the times of day that have no date.

    Raises:
        UsageError: a day and a month cannot be told apart, or no format fits.
    """
    found = sorted((f for f in KNOWN if counts[f]), key=lambda f: -counts[f])
    if not found and alone:
        raise UsageError(
            f'column "{name}" holds times of day without a date',
            hint="Join it to its date first: derive column=when sql=\"day || ' ' || time\"",
        )
    if not found:
        raise UsageError(
            f'no known way of writing dates fits column "{name}"',
            hint='Name it, such as: formats = ["%d.%m.%Y %H:%M"]',
        )
    kept: list[str] = []
    for form in found:
        other = form.replace("%d", "%.").replace("%m", "%d").replace("%.", "%m")
        if other == form or other not in counts or not counts[other]:
            kept.append(form)
        elif counts[other] == counts[form]:
            raise UsageError(
                f'in column "{name}" the day and the month cannot be told apart',
                hint=f'Say which it is: formats = ["{form}"] or formats = ["{other}"]',
            )
        elif counts[form] > counts[other]:
            kept.append(form)
    return kept


def _spoken(learned: Learned) -> str:
    formats = list(dict.fromkeys(form for each in learned.values() for form in each))
    return " or ".join(f'"{form}"' for form in formats[:3])


def _trimmed(column: Column) -> str:
    return f"trim({quoted(column.name)}, {literal(SPACES)})"


def _no_html(cells: list[str]) -> list[str]:
    return [html.unescape(TAG.sub("", BLOCK.sub(" ", cell))) for cell in cells]


def _change(sheet: Sheet, cells: dict[str, str]) -> None:
    total = sum_of(
        f"CAST(({cell}) IS DISTINCT FROM {quoted(name)} AS BIGINT)" for name, cell in cells.items()
    )
    sheet.change(cells, counts={"cells changed": total})
