"""How an API goes on from one page of records to the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from core.data.sources.remote.address import followed, shown
from core.data.sources.remote.json_path import (
    CURSORS,
    MISSING,
    MORE,
    NEXT_LINKS,
    NEXT_NUMBERS,
    OFFSETS,
    PAGE,
    PAGES,
    TOTALS,
    dig,
    flag,
    whole_number,
)
from core.data.sources.remote.web import Answer
from core.errors import LeptonError, UsageError

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r'(?i);\s*rel\s*=\s*"?[^";]*\bnext\b')
_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+.-]*:|/|\?")
# Parameters that count records: offset, page[offset], $skip, startAt, start_index, from.
_OFFSET = re.compile(r"(?i).*(offset|skip).*|(start|from|first)(_?(at|index|record|row|result))?")


@dataclass(frozen=True)
class Page:
    """One answer: the address asked for, what came, and the records in it."""

    url: str
    answer: Answer
    body: Any
    records: list[Any]


@dataclass(frozen=True)
class Way:
    """How to go on. `onward` gives the address of the page after one, None after the last.

    `first` is a parameter of the first request and its value. A way that `counts` may run beyond
    the last page, which is no error.
    """

    onward: Callable[[Page], str | None]
    first: tuple[str, str] | None = None
    counts: bool = False


def way_on(said: str | None) -> Way:
    """The way that the words of `--next-page` name.

    `none` reads one page. `link` follows the header. `PATH` is where an answer holds the next
    address. `PARAMETER=PATH` is a parameter, and where an answer holds its next value.
    `PARAMETER=1` counts pages from there; a parameter called offset counts records. Without words
    the usual ways are tried.

    Raises:
        UsageError: the words are none of these.
    """
    if said is None:
        return Way(_usual)
    if said == "none":
        return Way(lambda page: None)
    if said == "link":
        return Way(by_header)
    parameter, equals, rest = (part.strip() for part in said.partition("="))
    if not parameter or (equals and not rest):
        raise UsageError(
            f'"{said}" does not say how to get to the next page',
            hint="Write --next-page PATH, PARAMETER=PATH, PARAMETER=1, link or none.",
        )
    if not equals:
        return Way(lambda page: _by_link(page, parameter))
    if rest.isdecimal():
        return Way(lambda page: _by_count(page, parameter), (parameter, rest), counts=True)
    return Way(lambda page: _by_cursor(page, parameter, rest))


def first_address(url: str, said: str | None) -> str:
    """The address of the first page: where pages are counted, with the first number."""
    first = way_on(said).first
    if first is None or parameters(url).get(first[0], "").isdecimal():
        return url
    return with_parameter(url, *first)


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_parameter(url: str, name: str, value: object) -> str:
    """The address with one parameter set."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*kept, (name, str(value))])))


def by_header(page: Page) -> str | None:
    for header in page.answer.headers.get_all("Link") or ():
        for address, facts in _LINK.findall(header):
            if _NEXT.search(facts):
                return followed(page.answer.url, address)
    return None


def _usual(page: Page) -> str | None:
    if (header := by_header(page)) is not None:
        return header
    if flag(page.body, MORE) is False:
        return None
    for path in NEXT_LINKS:
        found = dig(page.body, path)
        if isinstance(found, str) and _ADDRESS.match(found):
            return followed(page.answer.url, found)
    for path, parameter in CURSORS.items():
        if (address := _by_cursor(page, parameter, path)) is not None:
            return address
    if (number := whole_number(page.body, NEXT_NUMBERS)) is not None:
        return with_parameter(page.url, "page", number)
    number, count = whole_number(page.body, PAGE), whole_number(page.body, PAGES)
    if number is not None and count is not None and number < count and page.records:
        return with_parameter(page.url, "page", number + 1)
    return _after_these(page)


def _after_these(page: Page) -> str | None:
    """The page after so many records, where an answer says how many there were and are in all."""
    total = whole_number(page.body, TOTALS)
    for name in OFFSETS if total is not None and page.records else ():
        passed = whole_number(page.body, (name,))
        if passed is not None and passed + len(page.records) < (total or 0):
            return with_parameter(page.url, name, passed + len(page.records))
    return None


def _by_link(page: Page, path: str) -> str | None:
    found = dig(page.body, path)
    if isinstance(found, dict):
        found = found.get("href") or found.get("url") or found
    if found is MISSING or not found:
        return None
    if isinstance(found, str):
        return followed(page.answer.url, found)
    raise LeptonError(
        f"what stands at {path} is no address: {str(found)[:60]}",
        where=shown(page.url),
        hint=f"Say which parameter takes it: --next-page PARAMETER={path}",
    )


def _by_cursor(page: Page, parameter: str, path: str) -> str | None:
    found = dig(page.body, path)
    if found is MISSING or found in (None, "", False) or isinstance(found, dict | list):
        return None
    return with_parameter(page.url, parameter, found)


def _by_count(page: Page, parameter: str) -> str | None:
    """The next number of a page, or of its first record, as long as records come."""
    if not page.records:
        return None
    step = len(page.records) if _OFFSET.fullmatch(parameter) else 1
    return with_parameter(page.url, parameter, int(parameters(page.url)[parameter]) + step)
