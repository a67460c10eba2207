"""The step that masks what tells who somebody is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar, Literal

from core.data.cleaning.sheet import Sheet
from core.data.cleaning.step import Learned, Step
from core.data.lake.view import literal, quoted
from core.errors import UsageError
from core.settings import setting

Kind = Literal["email", "phone", "card", "ip"]
KINDS: tuple[Kind, ...] = ("email", "card", "ip", "phone")

EMAIL = re.compile(r"(?<![\w.+%-])[\w+%-]+(?:\.[\w+%-]+)*@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
CARD = re.compile(r"(?<![\d.,-])[2-6]\d(?:[ -]?\d){10,16}\d(?![\d]|[.,-]\d)")
IPV4 = r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
IP = re.compile(
    rf"(?<![\w.:])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{IPV4}|[0-9A-Fa-f]{{0,4}})(?![\w:]|\.\d)"
    rf"|(?<![\w.]){IPV4}(?![\w]|\.\d)"
)
PHONE = re.compile(
    r"(?<![\w+.,-])(?:\+|00)?(?:\(\d{1,5}\)|\d{1,5})(?:[ ./-]{0,2}(?:\(\d{1,5}\)|\d{1,5})){1,7}"
    r"(?![\w]|[.,-]\d)"
)
DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?:[ T]\d{1,2}([:.]\d{2}){0,2})?")
# What a cell must at least hold, in the dialect of DuckDB; most cells hold none of it.
HINTS: dict[Kind, str] = {
    "email": "@",
    "card": r"[2-6](?:[ -]?[0-9]){11}",
    "ip": r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]|:[0-9A-Fa-f]*:",
    "phone": r"(?:[0-9][^0-9]{0,3}){8}",
}


@dataclass(frozen=True)
class MaskPersonal(Step):
    do: ClassVar[str] = "mask-personal"
    help: ClassVar[str] = (
        "Put a word in the place of e-mail addresses, phone and card numbers (by Luhn's check) and"
        " IP addresses in text."
    )

    columns: tuple[str, ...] = setting("Columns to go through; all of text if none is named", ())
    what: tuple[Kind, ...] = setting("Of email, phone, card, ip", KINDS)
    with_: Literal["name", "stars"] = setting(
        'Put "[email]" and the like in its place, or as many stars', "name"
    )

    def check(self) -> None:
        if not self.what:
            raise UsageError('"what" names nothing to mask')

    def run(self, sheet: Sheet, learned: Learned) -> None:
        counts = dict.fromkeys(self.what, 0)

        def masked(cells: list[str]) -> list[str]:
            return [self._masked(cell, counts) for cell in cells]

        hint = "|".join(HINTS[kind] for kind in self.what)
        sheet.did["cells changed"] = 0
        for column in sheet.texts(self.columns):
            sheet.did["cells changed"] += sheet.rewrite(
                column, f"regexp_matches({quoted(column.name)}, {literal(hint)})", masked
            )
        sheet.did |= {f"{kind} masked": count for kind, count in counts.items()}

    def _masked(self, text: str, counts: dict[Kind, int]) -> str:
        for kind in KINDS:
            if kind not in self.what:
                continue
            found = [text]
            end = 0
            for start, stop in find_personal(text, kind):
                mark = f"[{kind}]" if self.with_ == "name" else "*" * (stop - start)
                found[-1:] = [text[end:start], mark, text[stop:]]
                end = stop
                counts[kind] += 1
            text = "".join(found)
        return text


def find_personal(text: str, kind: Kind) -> Iterator[tuple[int, int]]:
    """Where such things stand in a text: (start, end) of each, from left to right."""
    pattern, right = PATTERNS[kind]
    for match in pattern.finditer(text):
        if right(match.group()):
            yield match.span()


def is_card(text: str) -> bool:
    """Whether 13 to 19 digits pass Luhn's check, as every card number does."""
    digits = [int(each) for each in text if each.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = (d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits[::-1]))
    return sum(doubled) % 10 == 0


def is_ip(text: str) -> bool:
    if not any(each.isalnum() for each in text):
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_phone(text: str) -> bool:
    """Whether digits are written as phone numbers are: with a prefix, or in groups; no date."""
    count = sum(each.isdigit() for each in text)
    if DATE.fullmatch(text) or not 8 <= count <= 15:
        return False
    if text.startswith(("+", "00")):
        return True
    if count < 9:
        return False
    groups = [len(group) for group in re.findall(r"\d+", text)]
    return text.startswith(("0", "(")) or groups in ([3, 3, 4], [1, 3, 3, 4])


PATTERNS: dict[Kind, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (EMAIL, lambda text: True),
    "card": (CARD, is_card),
    "ip": (IP, is_ip),
    "phone": (PHONE, is_phone),
}
